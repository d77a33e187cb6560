"""Scenes of public life: school, work, travel, sport and errands; see scenes_home for the notation."""

from .scene import scene

OUT_SCENES = (
    scene(
        "study",
        before="""
            {quiet}에 가다 | go to {quiet}
            {stationery:을} 준비하다 | prepare {stationery}
            숙제를 끝내다 | finish the homework
            {subject} 교과서를 빌리다 | borrow a textbook on {subject}
            단어를 외우다 | memorize the words
            선생님께 질문하다 | ask the teacher a question
        """,
        main="""
            {subject:을} 공부하다 | study {subject} | quiet home cafe | 열심히,혼자,두 시간 동안,늦게까지 | s
            {language:을} 배우다 | learn {language} | school | 열심히,즐겁게 | s
            {language:을} 연습하다 | practice {language} | home quiet | 열심히,혼자,한 시간 동안 | s
            {subject:을} 가르치다 | teach {subject} | school | 열심히,친절하게
            {subject} 시험을 보다 | take an exam in {subject} | school
            {subject} 강의를 듣다 | listen to a lecture on {subject} | school | 조용히 | s
            {subject} 숙제를 하다 | do the homework for {subject} | home quiet | 혼자,늦게까지,열심히 | s
            {language:으로} 일기를 쓰다 | keep a diary in {language} | home | 혼자
            문제를 풀다 | solve the problems | quiet | 천천히,혼자,열심히 | s
        """,
        after="""
            시험에 합격하다 | pass the exam
            친구들과 답을 비교하다 | compare the answers with friends
            선생님과 이야기하다 | talk with the teacher
            공책에 중요한 내용을 적다 | write down the key points in a notebook
            기숙사로 돌아가다 | return to the dormitory
            {language:으로} {message:을} 쓰다 | write {message} in {language}
        """,
        why="""
            시험이 어렵다 | the exam | be difficult
            방학이 끝나다 | the vacation | end
            시험이 다가오다 | the exam | be approaching
            선생님이 숙제를 많이 내 주시다 | the teacher | give a lot of homework
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            날씨가 너무 덥다 | the weather | be too hot
            설명이 너무 복잡하다 | the explanation | be too complicated
        """,
        feel="""
            공부를 좋아하다 | like studying
            좋은 성적을 원하다 | want good grades
        """,
        say="""
            {subject:이} 재미있다 | {subject} | be interesting
            {language:이} 어렵다 | {language} | be difficult
            시험이 쉽다 | the exam | be easy
            숙제가 너무 많다 | there | be too much homework
        """,
    ),
    scene(
        "work",
        before="""
            사무실에 일찍 도착하다 | arrive at the office early
            {document:을} 검토하다 | review {the document} | office | 꼼꼼히
            회의 자료를 복사하다 | copy the meeting materials
            {office}에 들르다 | stop by {office}
            고객에게 전화하다 | call the client
        """,
        main="""
            {document:을} 작성하다 | write up {document} | office | 꼼꼼히,혼자,늦게까지 | s
            {document:을} 제출하다 | submit {the document}
            {event:을} 준비하다 | prepare for {event} | office | 열심히,꼼꼼히 | s
            새 계획을 발표하다 | present the new plan | office
            고객과 상담하다 | consult with the client | office | 친절하게,오랫동안
            {document:을} 고치다 | revise {the document} | office | 빨리,꼼꼼히
            동료의 일을 돕다 | help a coworker with the work | office | 열심히
            자료를 분석하다 | analyze the data | office | 자세히,꼼꼼히 | s
            신제품을 개발하다 | develop a new product | office | 열심히 | s
        """,
        after="""
            결과를 보고하다 | report the results
            동료들과 저녁을 먹다 | have dinner with coworkers
            늦게까지 사무실에 남다 | stay at the office until late
            고객에게 {message:을} 보내다 | send {message} to the client
            책상을 정리하다 | tidy up the desk
            지하철로 퇴근하다 | go home from work by subway
        """,
        why="""
            마감이 다가오다 | the deadline | be approaching
            고객이 불평하다 | the client | be complaining
            회사에 일이 많다 | there | be a lot of work at the company
            새 직원이 들어오다 | a new employee | join
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            컴퓨터가 너무 느리다 | the computer | be too slow
            회의가 너무 길다 | the meeting | be too long
        """,
        feel="""
            새 일을 좋아하다 | like the new job
            성공을 바라다 | hope for success
        """,
        say="""
            회의가 중요하다 | the meeting | be important
            {document:이} 너무 길다 | {document} | be too long
            새 계획이 훌륭하다 | the new plan | be excellent
            결과가 좋다 | the results* | be good
        """,
    ),
    scene(
        "technology",
        before="""
            {software:을} 설치하다 | install {software}
            {device:을} 켜다 | turn on {the device}
            {data:을} 내려받다 | download {data}
            사용 설명서를 읽다 | read the manual | | 꼼꼼히
            {device:을} 연결하다 | connect {the device}
        """,
        main="""
            {software:을} 개발하다 | develop {software} | office home | 열심히,혼자 | s
            {device:을} 고치다 | fix {the device} | home office | 혼자
            {data:을} 저장하다 | save {the data}
            {data:을} 삭제하다 | delete {the data}
            {software:을} 시험하다 | test {the software} | office | 꼼꼼히 | s
            오류를 찾다 | look for the error | office | 오랫동안,혼자 | s
            {software:을} 사용하다 | use {software} | office home school
        """,
        after="""
            {device:을} 다시 켜다 | restart {the device}
            동료에게 {data:을} 보내다 | send {the data} to a coworker
            {appliance:을} 끄다 | turn off {appliance}
            비밀번호를 바꾸다 | change the password
            결과를 확인하다 | check the results
            {data:을} 공유하다 | share {the data} | office
        """,
        why="""
            새로운 기능이 필요하다 | a new feature | be necessary
            {software}에 오류가 있다 | there | be an error in {the software}
            컴퓨터에 문제가 있다 | there | be a problem with the computer
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            배터리가 거의 없다 | the battery | be almost empty
            설명서가 너무 복잡하다 | the manual | be too complicated
        """,
        feel="""
            새로운 기술을 좋아하다 | like new technology
            컴퓨터에 관심이 많다 | be very interested in computers
        """,
        say="""
            {software:이} 유용하다 | {software} | be useful
            {device:이} 너무 비싸다 | {device} | be too expensive
            {appliance:이} 편리하다 | {appliance} | be convenient
            인터넷이 빠르다 | the internet | be fast
        """,
    ),
    scene(
        "travel",
        before="""
            {transport:을} 예약하다 | book {transport} | | 일찍
            짐을 싸다 | pack the bags | | 빨리
            {lodging:을} 예약하다 | book a room at {lodging}
            지도를 보다 | look at the map
            환전을 하다 | exchange money
            {station}까지 택시를 타다 | take a taxi to {the station}
        """,
        main="""
            {city:을} 여행하다 | travel around {city} | | 혼자,즐겁게 | s
            {sight:을} 구경하다 | look around {sight} | | 천천히,두 시간 동안 | s
            {city}에서 {sight:을} 방문하다 | visit {sight} {at city} | | | s
            {lodging}에 묵다 | stay at {lodging} | | | s
            {city}에서 사진을 찍다 | take photos {at city} | | 오랫동안 | s
            {city}의 음식을 맛보다 | taste the food of {city} | | | s
            바다에서 수영하다 | swim in the sea | | 즐겁게,한 시간 동안 | s
        """,
        after="""
            {message:을} 쓰다 | write {message}
            기념품을 사다 | buy souvenirs
            고속버스를 타고 돌아오다 | come back by express bus
            {city:으로} 떠나다 | leave for {city}
            호텔에서 쉬다 | rest at the hotel
            친구들에게 사진을 보여 주다 | show the photos to friends
        """,
        why="""
            방학이 시작되다 | the vacation | start
            날씨가 좋다 | the weather | be good
            표가 싸다 | the tickets* | be cheap
        """,
        but="""
            비행기가 늦게 도착하다 | the plane | arrive late
            날씨가 너무 덥다 | the weather | be too hot
            관광객이 너무 많다 | there* | be too many tourists
        """,
        feel="""
            여행을 좋아하다 | like traveling
            휴가를 기다리다 | look forward to the vacation
        """,
        say="""
            {city:이} 아름답다 | {city} | be beautiful
            {sight:이} 유명하다 | {sight} | be famous
            {lodging:이} 조용하다 | {lodging} | be quiet
            {city:이} 안전하다 | {city} | be safe
        """,
    ),
    scene(
        "transport",
        before="""
            {transport:을} 기다리다 | wait for {transport} | station | 오랫동안,삼십 분 동안
            표를 사다 | buy a ticket | station
            길을 묻다 | ask for directions
            {station:으로} 뛰어가다 | run to {station}
            교통 카드를 충전하다 | recharge the transit card
        """,
        main="""
            {transport:을} 타다 | take {transport} | station | 혼자 | s
            트럭을 운전하다 | drive a truck | | 조심스럽게,천천히
            {vehicle:을} 주차하다 | park {the vehicle} | | 조심스럽게
            {city:으로} 출발하다 | depart for {city} | | 일찍,혼자 | s
            공항까지 택시로 가다 | go to the airport by taxi | | 혼자 | s
        """,
        after="""
            {bureau}까지 걷다 | walk to {bureau}
            {transport}에서 내리다 | get off {the transport}
            약속 장소에 도착하다 | arrive at the meeting place
            집에 전화하다 | call home
            {vehicle:을} 세차하다 | wash {the vehicle}
            역에서 친구를 만나다 | meet a friend at the station
        """,
        why="""
            길이 막히다 | the road | be congested
            역이 멀다 | the station | be far away
            중요한 약속이 있다 | there | be an important appointment
        """,
        but="""
            길이 미끄럽다 | the road | be slippery
            안개가 심하다 | the fog | be thick
            시간이 부족하다 | there | be not enough time
        """,
        feel="""
            약속에 늦다 | be late for an appointment
            길을 잃다 | get lost
        """,
        say="""
            {transport:이} 편리하다 | {transport} | be convenient
            표가 너무 비싸다 | the ticket | be too expensive
            교통이 복잡하다 | the traffic | be heavy
        """,
    ),
    scene(
        "shopping",
        before="""
            {fashion_shop}에 가다 | go to {fashion_shop}
            은행에서 돈을 찾다 | withdraw money from the bank
            할인 쿠폰을 모으다 | collect discount coupons
            가격을 비교하다 | compare the prices | | 꼼꼼히
            점원에게 크기를 묻다 | ask the clerk about the size
        """,
        main="""
            {clothes:을} 사다 | buy {clothes} | fashion_shop |  | s
            {shoes:을} 고르다 | choose {shoes} | fashion_shop | 천천히,조심스럽게 | s
            {accessory:을} 사다 | buy {accessory} | fashion_shop | | s
            {clothes:을} 입어 보다 | try on {clothes} | fashion_shop
            {shoes:을} 사다 | buy {shoes} | fashion_shop |  | s
            {clothes:을} 교환하다 | exchange {the clothes} | fashion_shop
            물건값을 깎다 | haggle over the price
            {accessory:을} 교환하다 | exchange {the accessory} | fashion_shop
        """,
        after="""
            현금으로 계산하다 | pay in cash
            영수증을 받다 | get the receipt
            {accessory:을} 친구에게 선물하다 | give {accessory} to a friend as a gift
            근처 카페에서 쉬다 | rest at a nearby café
            무거운 가방을 들고 돌아오다 | come back with heavy bags
        """,
        why="""
            백화점이 세일을 하다 | the department store | have a sale
            겨울이 다가오다 | winter | be approaching
            친구의 결혼식이 다가오다 | a friend's wedding | be approaching
            날씨가 추워지다 | the weather | become cold
        """,
        but="""
            가게에 사람이 너무 많다 | there* | be too many people at the store
            물건이 너무 비싸다 | the goods* | be too expensive
            시간이 부족하다 | there | be not enough time
        """,
        feel="""
            쇼핑을 좋아하다 | like shopping
            돈이 부족하다 | be short of money
        """,
        say="""
            {accessory:이} 예쁘다 | {accessory} | be pretty
            {furniture:이} 튼튼하다 | {furniture} | be sturdy
            {clothes:이} 너무 비싸다 | {clothes} | be too expensive
            이 가게의 물건이 싸다 | the goods at this store* | be cheap
        """,
    ),
    scene(
        "sport",
        before="""
            친구에게 연락하다 | contact a friend
            운동복으로 갈아입다 | change into sportswear | | 빨리
            준비 운동을 하다 | warm up
            운동화를 신다 | put on sneakers
            친구들과 팀을 만들다 | form a team with friends
        """,
        main="""
            {sport:을} 하다 | play {sport} | gym | 즐겁게,열심히,두 시간 동안 | s
            {racket:을} 치다 | play {racket} | gym | 즐겁게,열심히,한 시간 동안 | s
            {sport:을} 배우다 | learn {sport} | gym | 열심히 | s
            {sport} 연습을 하다 | practice {sport} | gym | 열심히,늦게까지 | s
            강가를 달리다 | run along the river | | 빨리,한 시간 동안,혼자 | s
            수영장에서 수영하다 | swim in the pool | | 열심히,한 시간 동안 | s
            {sport} 대회에 나가다 | compete in a {sport} tournament | | | s
            산에 오르다 | climb the mountain | | 천천히,조심스럽게 | s
            자전거를 타다 | ride a bicycle | outdoors | 즐겁게,혼자,한 시간 동안 | s
        """,
        after="""
            시원한 물을 마시다 | drink cool water
            샤워를 하다 | take a shower
            친구들과 사진을 찍다 | take photos with friends
            공원에서 쉬다 | rest in the park
            {snack:을} 나눠 먹다 | share {snack}
        """,
        why="""
            날씨가 맑다 | the weather | be clear
            대회가 다가오다 | the tournament | be approaching
            체육관이 가깝다 | the gym | be close
        """,
        but="""
            비가 오고 있다 | it | be raining
            바람이 강하다 | the wind | be strong
            날씨가 너무 덥다 | the weather | be too hot
        """,
        feel="""
            운동을 좋아하다 | like exercise
            건강을 걱정하다 | worry about health
        """,
        say="""
            {sport:이} 재미있다 | {sport} | be fun
            상대 팀이 강하다 | the other team | be strong
            경기가 어렵다 | the game | be difficult
        """,
    ),
    scene(
        "culture",
        before="""
            저녁을 일찍 먹다 | have dinner early
            숙제를 끝내다 | finish the homework
            친구와 약속을 하다 | make plans with a friend
            휴대폰을 끄다 | turn off the cell phone
            집안일을 끝내다 | finish the housework
        """,
        main="""
            {film:을} 보다 | watch {film} | home | 조용히,혼자,밤늦게까지 | s
            {show:을} 보다 | see {show} | | 혼자 | s
            {instrument:을} 연주하다 | play {instrument} | home lesson | 즐겁게,조용히
            {instrument:을} 배우다 | learn {instrument} | lesson | 열심히 | s
            {music:을} 듣다 | listen to {music} | home cafe outdoors | 조용히,혼자,오랫동안 | s
            그림을 그리다 | paint a picture | home outdoors | 천천히,혼자
            전시회를 관람하다 | visit an exhibition | | 천천히 | s
            무대에서 노래하다 | sing on the stage
        """,
        after="""
            친구와 감상을 나누다 | share impressions with a friend
            {cafe}에서 {hot_drink:을} 마시다 | drink {hot_drink} {at cafe}
            집까지 걸어가다 | walk home
            일기에 감상을 적다 | write down impressions in a diary
            친구에게 {message:을} 보내다 | send {message} to a friend
        """,
        why="""
            축제가 시작되다 | the festival | start
            방학이 시작되다 | the vacation | start
            시간이 많다 | there | be plenty of time
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            날씨가 나쁘다 | the weather | be bad
            밖이 너무 시끄럽다 | it | be too noisy outside
        """,
        feel="""
            예술을 좋아하다 | like art
            시간이 많다 | have plenty of time
            스트레스를 풀고 싶다 | want to relieve stress
        """,
        say="""
            {show:이} 훌륭하다 | {show} | be excellent
            {film:이} 지루하다 | {film} | be boring
            {film:이} 재미있다 | {film} | be interesting
            음악이 아름답다 | the music | be beautiful
        """,
    ),
    scene(
        "weather",
        before="""
            일기 예보를 확인하다 | check the weather forecast
            {accessory:을} 챙기다 | pack {accessory}
            {clothes:을} 입다 | put on {clothes}
            모자를 쓰다 | put on a hat
            도시락을 싸다 | pack a lunch
        """,
        main="""
            {outdoors}에서 산책하다 | take a walk {at outdoors} | | 천천히,혼자,한 시간 동안 | s
            경치를 즐기다 | enjoy the scenery | outdoors | 조용히,혼자,오랫동안 | s
            {outdoors}에서 도시락을 먹다 | eat a packed lunch {at outdoors} | | 천천히,혼자 | s
            낚시를 하다 | go fishing | | 조용히,혼자 | s
            꽃을 구경하다 | look at the flowers | outdoors | 천천히,혼자 | s
            {outdoors}에서 사진을 찍다 | take photos {at outdoors} | | 즐겁게 | s
            연을 날리다 | fly a kite | outdoors | 즐겁게 | s
        """,
        after="""
            벤치에 앉다 | sit on a bench
            {cold_drink:을} 마시다 | drink {cold_drink}
            서둘러 집으로 돌아오다 | hurry home
            친구들에게 사진을 보내다 | send photos to friends
            나무 아래에서 쉬다 | rest under a tree
        """,
        why="""
            날씨가 화창하다 | the weather | be sunny
            단풍이 아름답다 | the autumn leaves* | be beautiful
            바람이 시원하다 | the wind | be cool
            봄이 오다 | spring | come
        """,
        but="""
            갑자기 비가 오다 | it | rain suddenly
            안개가 심하다 | the fog | be thick
            날씨가 너무 춥다 | the weather | be too cold
            공기가 나쁘다 | the air | be bad
        """,
        feel="""
            자연을 좋아하다 | like nature
            심심하다 | be bored
            집에 있기 싫어하다 | hate staying at home
        """,
        say="""
            날씨가 좋다 | the weather | be nice
            밤하늘이 아름답다 | the night sky | be beautiful
            여름이 너무 덥다 | summer | be too hot
            {outdoors:이} 조용하다 | {outdoors} | be quiet
        """,
    ),
    scene(
        "winter",
        before="""
            창밖을 보다 | look out the window
            목도리를 두르다 | put on a scarf
            장갑을 끼다 | put on gloves
            두꺼운 외투를 입다 | put on a thick overcoat
            난방을 켜다 | turn on the heating
        """,
        main="""
            눈사람을 만들다 | build a snowman | outdoors | 즐겁게 | s
            눈을 치우다 | clear away the snow | | 열심히,빨리 | s
            스키를 타다 | go skiing | | 즐겁게,조심스럽게 | s
            눈싸움을 하다 | have a snowball fight | outdoors | 즐겁게 | s
            스케이트를 타다 | go skating | | 조심스럽게,즐겁게 | s
            눈 덮인 산에서 사진을 찍다 | take photos on the snowy mountain | | | s
            {plant:을} 집 안으로 옮기다 | move {the plant} indoors
        """,
        after="""
            젖은 옷을 말리다 | dry the wet clothes
            {hot_drink:으로} 몸을 녹이다 | warm up with {hot_drink}
            벽난로 앞에 앉다 | sit in front of the fireplace
            따뜻한 국을 먹다 | eat warm soup
            서둘러 집으로 돌아오다 | hurry home
        """,
        why="""
            눈이 많이 오다 | it | snow a lot
            겨울이 오다 | winter | come
            호수가 얼다 | the lake | freeze
            방학이 시작되다 | the vacation | start
        """,
        but="""
            날씨가 너무 춥다 | the weather | be too cold
            길이 미끄럽다 | the road | be slippery
            바람이 강하다 | the wind | be strong
        """,
        feel="""
            눈을 좋아하다 | like snow
            겨울을 기다리다 | look forward to winter
        """,
        say="""
            눈이 아름답다 | the snow | be beautiful
            겨울이 너무 길다 | winter | be too long
            밤이 춥다 | the night | be cold
        """,
    ),
    scene(
        "errands",
        before="""
            집에서 일찍 나오다 | leave home early
            신분증을 준비하다 | prepare the ID card
            번호표를 뽑다 | take a number
            {document:을} 복사하다 | copy {the document}
            창구 앞에서 기다리다 | wait in front of the counter | | 오랫동안
        """,
        main="""
            통장을 만들다 | open a bank account
            {document:을} 내다 | hand in {the document} | bureau
            소포를 부치다 | mail a package
            세금을 내다 | pay the taxes | bureau
            비자를 신청하다 | apply for a visa | | 일찍
            부모님께 돈을 보내다 | send money to my parents
            {mail:을} 부치다 | mail {the mail}
            {document}에 서명하다 | sign {the document} | bureau
        """,
        after="""
            영수증을 보관하다 | keep the receipt
            서류를 다시 확인하다 | check the papers again
            직원에게 감사 인사를 하다 | thank the employee
            버스를 타고 집에 돌아오다 | come home by bus
            서류를 봉투에 넣다 | put the papers in an envelope
        """,
        why="""
            서류가 필요하다 | the papers* | be necessary
            주소가 바뀌다 | the address | change
            월말이 다가오다 | the end of the month | be approaching
        """,
        but="""
            줄이 너무 길다 | the line | be too long
            직원이 바쁘다 | the employee | be busy
            날씨가 너무 덥다 | the weather | be too hot
        """,
        feel="""
            돈이 필요하다 | need money
            유학을 준비하다 | prepare to study abroad
        """,
        say="""
            절차가 복잡하다 | the procedure | be complicated
            직원이 친절하다 | the employee | be kind
            수수료가 너무 비싸다 | the fee | be too expensive
        """,
    ),
    scene(
        "moving",
        before="""
            집을 구하다 | look for a house | | 오랫동안
            {household:을} 상자에 넣다 | put {household} in a box | | 조심스럽게
            친구에게 도움을 부탁하다 | ask a friend for help
            트럭을 빌리다 | rent a truck
            이웃에게 {tool:을} 빌리다 | borrow {tool} from a neighbor
        """,
        main="""
            {furniture:을} 옮기다 | move {the furniture} | | 조심스럽게,천천히 | s
            {furniture:을} 조립하다 | assemble {furniture} | room | 혼자 | s
            벽을 하얀색으로 칠하다 | paint the wall white | room | 꼼꼼히,혼자 | s
            {furniture:을} 수리하다 | repair {the furniture} | room | 혼자
            거울을 벽에 걸다 | hang a mirror on the wall | room
            지붕을 고치다 | fix the roof | | 조심스럽게 | s
        """,
        after="""
            {city:으로} 이사하다 | move to {city}
            이웃들에게 인사하다 | greet the neighbors
            {dish:을} 시켜 먹다 | order in {dish}
            새집에서 첫날 밤을 보내다 | spend the first night in the new house
            도와준 친구들에게 {snack:을} 사 주다 | buy {snack} for the friends who helped
            {tool:을} 돌려주다 | give back {the tool}
        """,
        why="""
            집이 너무 좁다 | the house | be too small
            회사가 멀다 | the company | be far away
            집세가 오르다 | the rent | go up
        """,
        but="""
            방이 너무 어둡다 | the room | be too dark
            비가 오다 | it | rain
            시간이 부족하다 | there | be not enough time
        """,
        feel="""
            새집을 좋아하다 | like the new house
            조용한 동네를 원하다 | want a quiet neighborhood
        """,
        say="""
            동네가 조용하다 | the neighborhood | be quiet
            이웃들이 친절하다 | the neighbors* | be kind
            새집이 넓다 | the new house | be spacious
        """,
    ),
)
