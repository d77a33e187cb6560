"""Scenes of private life: what people do there, in which order, and what makes them do it or keeps them from it.

An action is "Korean | English | place classes | manners | s", the last for what one does with others. A slot {class}
takes a noun of that class, {class:을} with a particle. A fact is "Korean | English subject | English predicate", a star
marking a plural subject. A feeling is an action whose predicate is a state.
"""

from .scene import scene

HOME_SCENES = (
    scene(
        "cooking",
        before="""
            {grocery}에서 {meat:을} 사다 | buy {meat} {at grocery}
            시장에서 {vegetable:을} 사다 | buy {vegetable} at the market
            {meat:과} {vegetable:을} 준비하다 | prepare {meat} and {vegetable}
            {vegetable:을} 씻다 | wash {vegetable} | | 깨끗이
            요리책에서 조리법을 찾다 | look up a recipe in the cookbook
            {kitchenware:을} 꺼내다 | take out {kitchenware}
        """,
        main="""
            {dish:을} 만들다 | make {dish} | home | 정성껏 | s
            {dish:을} 요리하다 | cook {dish} | home | 혼자 | s
            {meat:을} 굽다 | grill {meat} | home outdoors | 천천히 | s
            {vegetable:을} 썰다 | slice {vegetable} | | 천천히,조심스럽게
            {vegetable:을} 볶다 | stir-fry {vegetable} | home | 빨리
            저녁 식사를 준비하다 | prepare dinner | home | 혼자,정성껏 | s
            국을 끓이다 | boil soup | home | 정성껏
        """,
        after="""
            식탁을 차리다 | set the table
            가족과 함께 저녁을 먹다 | have dinner with family
            {kitchenware:을} 닦다 | wipe {the kitchenware} | | 깨끗이
            설거지를 하다 | do the dishes
            {hot_drink:을} 마시다 | drink {hot_drink}
            남은 음식을 냉장고에 넣다 | put the leftover food in the refrigerator
        """,
        why="""
            손님들이 오다 | the guests* | be coming
            명절이 다가오다 | the holiday | be approaching
            식당이 너무 비싸다 | the restaurant | be too expensive
            가족이 배가 고프다 | the family | be hungry
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            부엌이 너무 좁다 | the kitchen | be too small
            재료가 부족하다 | there* | be not enough ingredients
        """,
        feel="""
            배가 고프다 | be hungry
            집에서 만든 음식을 좋아하다 | like homemade food
        """,
        say="""
            {dish:이} 맛있다 | {dish} | be tasty
            요리가 재미있다 | cooking | be fun
            {vegetable:이} 건강에 좋다 | {vegetable} | be good for the health
            국이 너무 짜다 | the soup | be too salty
        """,
    ),
    scene(
        "eating out",
        before="""
            {restaurant}에 가다 | go to {restaurant}
            식당을 예약하다 | reserve a table at the restaurant
            창가 자리에 앉다 | sit by the window
            메뉴를 보다 | look at the menu
            줄을 서다 | stand in line
        """,
        main="""
            {dish:을} 주문하다 | order {dish} | restaurant | | s
            {dish:을} 먹다 | eat {dish} | restaurant home | 천천히 | s
            {snack:을} 먹다 | eat {snack} | cafe home | 혼자 | s
            {hot_drink:을} 마시다 | drink {hot_drink} | cafe home | 천천히,혼자 | s
            {cold_drink:을} 마시다 | drink {cold_drink} | home cafe | 빨리 | s
            {dish:을} 맛보다 | taste {dish} | restaurant
            점심을 먹다 | have lunch | eatery cafe | 늦게까지,혼자 | s
        """,
        after="""
            카드로 계산하다 | pay by card
            음식값을 나눠 내다 | split the bill
            후식으로 {snack:을} 먹다 | eat {snack} for dessert
            강가를 산책하다 | take a walk along the river
            근처 카페에서 이야기를 나누다 | chat at a nearby café
        """,
        why="""
            새 식당이 문을 열다 | a new restaurant | open
            친구의 생일/이다 | it | be a friend's birthday
            집에 먹을 것이 없다 | there | be nothing to eat at home
        """,
        but="""
            식당에 사람이 너무 많다 | there* | be too many people at the restaurant
            가격이 너무 비싸다 | the price | be too high
            음식이 너무 늦게 나오다 | the food | come out too late
        """,
        feel="""
            배가 고프다 | be hungry
            목이 마르다 | be thirsty
            요리하기 싫어하다 | hate cooking
        """,
        say="""
            이 식당의 {dish:이} 맛있다 | {dish} at this restaurant | be tasty
            점원이 친절하다 | the clerk | be kind
            {eatery:이} 조용하다 | {eatery} | be quiet
            {dish:이} 너무 맵다 | {dish} | be too spicy
        """,
    ),
    scene(
        "cleaning",
        before="""
            창문을 열다 | open the window
            청소기를 꺼내다 | take out the vacuum cleaner
            {household:을} 옮기다 | move {the household}
            {clothes:을} 옷장에 걸다 | hang {the clothes} in the wardrobe
            쓰레기를 버리다 | throw out the trash
        """,
        main="""
            {room:을} 청소하다 | clean {room} | | 깨끗이,혼자,한 시간 동안 | s
            {furniture:을} 닦다 | wipe {the furniture} | room | 깨끗이
            {clothes:을} 빨다 | wash {the clothes} | home | 깨끗이
            {shoes:을} 정리하다 | tidy up {the shoes} | | 빨리
            {room:을} 정리하다 | tidy up {room} | | 꼼꼼히,혼자 | s
            바닥을 쓸다 | sweep the floor | room | 깨끗이,천천히
            {clothes:을} 다리다 | iron {the clothes} | room | 꼼꼼히
        """,
        after="""
            따뜻한 물로 샤워를 하다 | take a warm shower
            소파에서 쉬다 | rest on the sofa
            낡은 옷을 버리다 | throw away the old clothes
            {bare hot_drink} 한 잔을 마시다 | drink a cup of {bare hot_drink}
            깨끗한 수건을 꺼내다 | take out a clean towel
        """,
        why="""
            집이 너무 더럽다 | the house | be too dirty
            손님이 오다 | a guest | be coming
            먼지가 많다 | there | be a lot of dust
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            아기가 자고 있다 | the baby | be asleep
            날씨가 너무 덥다 | the weather | be too hot
        """,
        feel="""
            깨끗한 집을 좋아하다 | like a clean house
            기분이 답답하다 | feel stuffy
        """,
        say="""
            {room:이} 깨끗하다 | {room} | be clean
            집안일이 힘들다 | housework | be hard
            {room:이} 너무 더럽다 | {room} | be too dirty
        """,
    ),
    scene(
        "health",
        before="""
            {hospital}에 가다 | go to {hospital}
            병원에 전화하다 | call the hospital
            체온을 재다 | take a temperature
            진료를 예약하다 | make a doctor's appointment
            회사에 전화하다 | call the office
        """,
        main="""
            {medicine:을} 처방받다 | get a prescription for {medicine} | hospital
            의사와 상담하다 | consult a doctor | hospital | 자세히,오랫동안
            주사를 맞다 | get a shot | hospital
            건강 검진을 받다 | get a medical checkup | hospital
            치료를 받다 | get treatment | hospital | 오랫동안
        """,
        after="""
            집에서 푹 쉬다 | get plenty of rest at home
            따뜻한 {hot_drink:을} 마시다 | drink warm {bare hot_drink}
            일찍 잠자리에 들다 | go to bed early
            죽을 조금 먹다 | eat a little porridge
            하루 종일 침대에 누워 있다 | lie in bed all day
            집에서 {medicine:을} 먹다 | take {medicine} at home
        """,
        why="""
            열이 높다 | the fever | be high
            감기가 유행하다 | a cold | be going around
            기침이 심하다 | the cough | be severe
        """,
        but="""
            병원에 환자가 많다 | there* | be many patients at the hospital
            진료비가 비싸다 | the medical fee | be expensive
            병원이 너무 멀다 | the hospital | be too far away
        """,
        feel="""
            머리가 아프다 | have a headache
            배가 아프다 | have a stomachache
            몸이 좋지 않다 | be unwell
        """,
        say="""
            운동이 건강에 좋다 | exercise | be good for the health
            휴식이 필요하다 | rest | be necessary
            약이 너무 쓰다 | the medicine | be too bitter
            감기가 거의 낫다 | the cold | be almost gone
        """,
    ),
    scene(
        "family",
        before="""
            가족에게 전화하다 | call the family
            사진첩을 찾다 | look for the photo album
            할머니 댁에 가다 | go to my grandmother's house
            {gift:을} 사다 | buy {gift}
            가족 모임을 계획하다 | plan a family gathering
        """,
        main="""
            아이들과 놀다 | play with the children | outdoors home | 즐겁게,두 시간 동안
            아이들에게 {book:을} 읽어 주다 | read {book} to the children | home | 천천히
            가족사진을 찍다 | take a family photo | outdoors sight home | 즐겁게
            부모님께 {message:을} 쓰다 | write {message} to my parents | | 정성껏
            할머니를 돕다 | help my grandmother | home farm | 열심히
            아기를 돌보다 | take care of the baby | home | 정성껏,혼자
            옛날이야기를 듣다 | listen to old stories | home | 조용히
        """,
        after="""
            가족과 함께 {dish:을} 먹다 | eat {dish} with family
            사진을 벽에 걸다 | hang the photo on the wall
            아이들을 재우다 | put the children to bed
            밤늦게까지 이야기를 나누다 | chat late into the night
            가족에게 고마운 마음을 전하다 | thank the family
        """,
        why="""
            명절이 다가오다 | the holiday | be approaching
            방학이 시작되다 | the vacation | start
            온 가족이 모이다 | the whole family | gather
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            날씨가 나쁘다 | the weather | be bad
            아이들이 피곤하다 | the children* | be tired
        """,
        feel="""
            가족을 그리워하다 | miss the family
            아이들을 좋아하다 | like children
        """,
        say="""
            가족이 가장 중요하다 | family | be the most important thing
            아이들이 건강하다 | the children* | be healthy
            고향이 그립다 | the hometown | be dearly missed
        """,
    ),
    scene(
        "pets",
        before="""
            동물 병원에 전화하다 | call the animal hospital
            {pet} 사료를 사다 | buy food for {the pet}
            {pet:을} 안다 | hold {the pet}
            목줄을 찾다 | look for the leash
            {pet:과} 산책하다 | take a walk with {the pet} | outdoors | 천천히
        """,
        main="""
            {pet:을} 돌보다 | take care of {the pet} | home | 정성껏,혼자
            {pet:을} 씻기다 | bathe {the pet} | home | 깨끗이,조심스럽게
            {pet}에게 먹이를 주다 | feed {the pet} | home
            {pet:과} 놀다 | play with {the pet} | outdoors home | 즐겁게,한 시간 동안
            {pet:을} 훈련시키다 | train {the pet} | outdoors | 열심히
            {animal:을} 보다 | look at {the animal} | sight | 오랫동안
            {animal:을} 그리다 | draw {animal} | outdoors | 천천히
        """,
        after="""
            {pet:을} 집에 데려오다 | bring {the pet} home
            {pet:을} 재우다 | put {the pet} to sleep
            털을 빗다 | comb the fur
            동물 사진을 찍다 | take a photo of the animals
            동물에 대한 다큐멘터리를 보다 | watch a documentary about animals
        """,
        why="""
            이웃이 여행을 떠나다 | the neighbor | leave on a trip
            날씨가 따뜻하다 | the weather | be warm
            시간이 많다 | there | be plenty of time
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            날씨가 너무 춥다 | the weather | be too cold
            밖에 비가 오고 있다 | it | be raining outside
        """,
        feel="""
            동물을 좋아하다 | like animals
            외롭다 | be lonely
        """,
        say="""
            {pet:이} 귀엽다 | {pet} | be cute
            강아지가 똑똑하다 | the puppy | be smart
            동물에게도 사랑이 필요하다 | animals* | need love too
        """,
    ),
    scene(
        "garden",
        before="""
            {tool:을} 꺼내다 | take out {tool}
            꽃집에서 {plant:을} 사다 | buy {plant} at the flower shop
            땅을 파다 | dig the ground
            {farm}에 가다 | go to {farm}
            장갑을 끼다 | put on gloves
        """,
        main="""
            {plant:을} 심다 | plant {plant} | farm | 조심스럽게,혼자 | s
            {plant:을} 키우다 | grow {plant} | farm home | 정성껏
            {plant}에 물을 주다 | water {the plant} | farm | 천천히
            {vegetable:을} 키우다 | grow {vegetable} | farm | 정성껏
            {fruit:을} 따다 | pick {fruit} | farm | 조심스럽게 | s
            잡초를 뽑다 | pull weeds | farm | 열심히,두 시간 동안 | s
            낙엽을 쓸다 | sweep up the fallen leaves | outdoors | 깨끗이
        """,
        after="""
            나무 아래에서 쉬다 | rest under a tree
            손을 씻다 | wash both hands
            이웃들에게 {vegetable:을} 나눠 주다 | share {vegetable} with the neighbors
            {plant:을} 거실에 놓다 | put {the plant} in the living room
            {bare cold_drink} 한 잔을 마시다 | drink a glass of {bare cold_drink}
        """,
        why="""
            봄이 오다 | spring | come
            날씨가 따뜻하다 | the weather | be warm
            정원이 텅 비어 있다 | the garden | be empty
        """,
        but="""
            비가 너무 많이 오다 | it | rain too much
            바람이 강하다 | the wind | be strong
            날씨가 너무 덥다 | the weather | be too hot
        """,
        feel="""
            꽃을 좋아하다 | like flowers
            자연을 사랑하다 | love nature
        """,
        say="""
            정원이 아름답다 | the garden | be beautiful
            {vegetable:이} 잘 자라다 | {vegetable} | grow well
            {plant:이} 예쁘다 | {plant} | be pretty
        """,
    ),
    scene(
        "reading",
        before="""
            {quiet}에 가다 | go to {quiet}
            서점에서 {book:을} 사다 | buy {book} at the bookstore
            도서관에서 {book:을} 빌리다 | borrow {book} from the library
            안경을 쓰다 | put on glasses
            휴대폰을 끄다 | turn off the cell phone
        """,
        main="""
            {book:을} 읽다 | read {book} | quiet cafe home outdoors | 조용히,혼자,두 시간 동안,천천히
            {message:을} 쓰다 | write {message} | cafe home | 정성껏,천천히
            {book:을} 추천하다 | recommend {book}
            일기를 쓰다 | keep a diary | home | 조용히
            신문을 읽다 | read the newspaper | cafe home | 천천히,혼자
            {book:을} 번역하다 | translate {book} | quiet home | 꼼꼼히,혼자
        """,
        after="""
            {book:을} 도서관에 반납하다 | return {the book} to the library
            친구에게 {book:을} 빌려주다 | lend {book} to a friend
            감상문을 쓰다 | write a book report
            {book:을} 책장에 꽂다 | put {the book} on the bookshelf
            친구들과 책에 대해 이야기하다 | talk about books with friends
        """,
        why="""
            날씨가 나쁘다 | the weather | be bad
            비가 오다 | it | rain
            시간이 많다 | there | be plenty of time
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            불빛이 너무 어둡다 | the light | be too dim
            글씨가 너무 작다 | the letters* | be too small
        """,
        feel="""
            책을 좋아하다 | like books
            심심하다 | be bored
        """,
        say="""
            {book:이} 재미있다 | {book} | be interesting
            {book:이} 너무 어렵다 | {book} | be too difficult
            독서가 중요하다 | reading | be important
        """,
    ),
    scene(
        "party",
        before="""
            친구들을 초대하다 | invite friends
            {gift:을} 포장하다 | wrap {the gift} | | 정성껏
            {snack:을} 사다 | buy {snack}
            손님들에게 {message:을} 보내다 | send {message} to the guests
            거실을 꾸미다 | decorate the living room
        """,
        main="""
            친구에게 {gift:을} 주다 | give {gift} to a friend
            친구의 생일을 축하하다 | celebrate a friend's birthday | eatery home | | s
            큰 소리로 노래를 부르다 | sing songs loudly | home
            {cold_drink:을} 나눠 마시다 | share {cold_drink} | home | | s
            {event}에 참석하다 | attend {the event} | | | s
            춤을 추다 | dance | home outdoors | 즐겁게 | s
            촛불을 끄다 | blow out the candles
        """,
        after="""
            손님들에게 인사하다 | say goodbye to the guests
            택시를 타고 집에 돌아오다 | come home by taxi
            기념사진을 찍다 | take a commemorative photo
            거실을 치우다 | clean up the living room
            {gift:을} 열어 보다 | open {the gift}
        """,
        why="""
            친구의 생일/이다 | it | be a friend's birthday
            친구가 대학교를 졸업하다 | a friend | graduate from the university
            친구들이 모이다 | my friends* | gather
        """,
        but="""
            시간이 부족하다 | there | be not enough time
            날씨가 나쁘다 | the weather | be bad
            손님들이 늦게 도착하다 | the guests* | arrive late
        """,
        feel="""
            파티를 좋아하다 | like parties
            기분이 좋다 | be in a good mood
        """,
        say="""
            파티가 즐겁다 | the party | be enjoyable
            음악이 너무 시끄럽다 | the music | be too loud
            선물이 특별하다 | the present | be special
        """,
    ),
)
