"""Nouns by semantic class. The English side carries the article a bare Korean noun is translated with.

"사과=an apple" is countable, "창문=the window" is always definite, "빵=bread" takes no article, and a star marks
a noun that is plural in English: "신발=shoes*". A place also carries its preposition: "도서관=at the library".
"""

from dataclasses import dataclass

PREPOSITIONS = ("at", "in", "on")


@dataclass(frozen=True)
class Noun:
    """A noun in both languages, with the article and number of its English translation."""

    ko: str
    en: str
    article: str = ""
    plural: bool = False
    preposition: str = ""


def noun(entry: str) -> Noun:
    """Read one entry of a table."""
    ko, en = entry.strip().split("=")
    first, _, rest = en.partition(" ")
    preposition = first if first in PREPOSITIONS and rest else ""
    en = rest if preposition else en
    first, _, rest = en.partition(" ")
    article = {"a": "a", "an": "a", "the": "the"}.get(first, "") if rest else ""
    en = rest if article else en
    return Noun(ko, en.rstrip("*"), article, en.endswith("*"), preposition)


def nouns(table: str) -> tuple[Noun, ...]:
    """Read a table of comma-separated entries."""
    return tuple(noun(entry) for entry in table.replace("\n", ",").split(",") if entry.strip())


CLASSES: dict[str, tuple[Noun, ...]] = {
    "fruit": nouns("""
        사과=an apple, 배=a pear, 복숭아=a peach, 오렌지=an orange, 바나나=a banana, 망고=a mango, 레몬=a lemon
        수박=a watermelon, 멜론=a melon, 감=a persimmon, 자두=a plum"""),
    "vegetable": nouns("""
        당근=carrots*, 양파=onions*, 감자=potatoes*, 고구마=sweet potatoes*, 오이=cucumbers*, 버섯=mushrooms*
        시금치=spinach, 배추=cabbage, 마늘=garlic, 고추=peppers*, 토마토=tomatoes*, 콩나물=bean sprouts*
        두부=tofu"""),
    "meat": nouns("소고기=beef, 돼지고기=pork, 닭고기=chicken, 생선=fish, 새우=shrimp, 오징어=squid"),
    "dish": nouns("""
        비빔밥=bibimbap, 불고기=bulgogi, 김밥=gimbap, 잡채=japchae, 된장찌개=soybean paste stew, 김치찌개=kimchi stew
        볶음밥=fried rice, 카레=curry, 미역국=seaweed soup, 만두=dumplings*, 국수=noodles*, 떡볶이=spicy rice cakes*
        칼국수=knife-cut noodles*, 삼계탕=ginseng chicken soup, 스파게티=spaghetti, 야채죽=vegetable porridge"""),
    "snack": nouns("""
        샌드위치=a sandwich, 도넛=a donut, 초콜릿=chocolate, 아이스크림=ice cream, 팝콘=popcorn, 과자=cookies*
        빵=bread, 피자=pizza, 샐러드=salad, 케이크=cake, 요구르트=yogurt, 떡=rice cakes*"""),
    "hot_drink": nouns("""
        커피=coffee, 녹차=green tea, 홍차=black tea, 유자차=citron tea, 코코아=cocoa, 생강차=ginger tea"""),
    "cold_drink": nouns("""
        물=water, 우유=milk, 주스=juice, 오렌지 주스=orange juice, 맥주=beer, 와인=wine, 식혜=sweet rice punch
        레모네이드=lemonade"""),
    "clothes": nouns("""
        코트=a coat, 셔츠=a shirt, 치마=a skirt, 재킷=a jacket, 스웨터=a sweater, 원피스=a dress, 정장=a suit
        외투=an overcoat, 조끼=a vest, 티셔츠=a T-shirt"""),
    "shoes": nouns("운동화=sneakers*, 구두=dress shoes*, 장화=boots*, 양말=socks*, 장갑=gloves*, 샌들=sandals*"),
    "accessory": nouns("""
        모자=a hat, 목도리=a scarf, 가방=a bag, 지갑=a wallet, 우산=an umbrella, 벨트=a belt, 반지=a ring
        목걸이=a necklace, 손목시계=a wristwatch, 배낭=a backpack, 넥타이=a necktie"""),
    "furniture": nouns("""
        책상=a desk, 의자=a chair, 침대=a bed, 소파=a sofa, 책장=a bookcase, 옷장=a wardrobe, 식탁=a dining table
        서랍장=a chest of drawers"""),
    "household": nouns("""
        거울=a mirror, 이불=a blanket, 베개=a pillow, 수건=a towel, 커튼=a curtain, 양초=a candle, 꽃병=a vase
        바구니=a basket, 상자=a box, 달력=a calendar, 벽시계=a wall clock, 열쇠=a key, 카펫=a carpet"""),
    "kitchenware": nouns("""
        접시=a plate, 그릇=a bowl, 냄비=a pot, 프라이팬=a frying pan, 컵=a cup, 칼=a knife, 도마=a cutting board
        주전자=a kettle, 국자=a ladle, 쟁반=a tray"""),
    "tool": nouns("""
        망치=a hammer, 톱=a saw, 드라이버=a screwdriver, 사다리=a ladder, 삽=a shovel, 가위=scissors*
        손전등=a flashlight
        줄자=a tape measure, 못=a nail, 나사=a screw, 밧줄=a rope"""),
    "stationery": nouns("""
        연필=a pencil, 볼펜=a pen, 지우개=an eraser, 공책=a notebook, 필통=a pencil case, 색연필=a colored pencil
        계산기=a calculator, 풀=glue"""),
    "document": nouns("""
        보고서=a report, 계약서=a contract, 신청서=an application form, 이력서=a resume, 제안서=a proposal
        영수증=a receipt, 설문지=a questionnaire, 안내문=a notice, 회의록=the minutes*, 발표 자료=the slides*
        논문=a paper, 계획서=a plan"""),
    "message": nouns("""
        이메일=an email, 문자 메시지=a text message, 편지=a letter, 엽서=a postcard, 초대장=an invitation
        답장=a reply, 축하 카드=a greeting card"""),
    "mail": nouns("편지=a letter, 엽서=a postcard, 초대장=an invitation, 축하 카드=a greeting card"),
    "book": nouns("""
        소설=a novel, 잡지=a magazine, 만화책=a comic book, 시집=a poetry book, 요리책=a cookbook, 사전=a dictionary
        교과서=a textbook, 동화책=a picture book, 여행 안내서=a travel guide, 역사책=a history book
        과학책=a science book, 책=a book"""),
    "pet": nouns("강아지=a puppy, 고양이=a cat, 개=a dog, 토끼=a rabbit, 햄스터=a hamster, 앵무새=a parrot"),
    "animal": nouns("""
        말=a horse, 소=a cow, 양=a sheep, 염소=a goat, 오리=a duck, 닭=a hen, 다람쥐=a squirrel, 사슴=a deer
        원숭이=a monkey, 코끼리=an elephant, 호랑이=a tiger, 곰=a bear, 여우=a fox, 기린=a giraffe
        펭귄=a penguin"""),
    "transport": nouns("""
        버스=a bus, 택시=a taxi, 지하철=the subway, 기차=a train, 비행기=a plane, 유람선=a cruise boat
        셔틀버스=a shuttle bus, 고속버스=an express bus
        고속 열차=a high-speed train"""),
    "vehicle": nouns("자동차=a car, 자전거=a bicycle, 오토바이=a motorcycle, 트럭=a truck, 승합차=a van"),
    "device": nouns("""
        노트북=a laptop, 휴대폰=a cell phone, 태블릿=a tablet, 카메라=a camera, 프린터=a printer, 모니터=a monitor
        키보드=a keyboard, 스피커=a speaker, 이어폰=earphones*, 충전기=a charger, 마우스=a mouse, 공유기=a router"""),
    "appliance": nouns("""
        텔레비전=the television, 에어컨=the air conditioner, 선풍기=the fan, 세탁기=the washing machine
        청소기=the vacuum cleaner, 전자레인지=the microwave, 컴퓨터=the computer, 라디오=the radio
        난방=the heating"""),
    "software": nouns("""
        프로그램=a program, 앱=an app, 웹사이트=a website, 데이터베이스=a database, 게임=a game, 번역기=a translator
        검색 엔진=a search engine, 챗봇=a chatbot"""),
    "data": nouns("파일=a file, 사진=a photo, 동영상=a video, 문서=a document, 자료=the data, 비밀번호=the password"),
    "subject": nouns("""
        수학=math, 역사=history, 과학=science, 경제학=economics, 철학=philosophy, 물리학=physics, 화학=chemistry
        생물학=biology, 미술=art, 문학=literature, 심리학=psychology, 통계학=statistics"""),
    "language": nouns("""
        한국어=Korean, 영어=English, 일본어=Japanese, 중국어=Chinese, 프랑스어=French, 독일어=German
        스페인어=Spanish, 러시아어=Russian, 베트남어=Vietnamese, 이탈리아어=Italian"""),
    "sport": nouns("""
        축구=soccer, 농구=basketball, 야구=baseball, 배구=volleyball, 하키=hockey, 핸드볼=handball"""),
    "racket": nouns("테니스=tennis, 배드민턴=badminton, 탁구=table tennis, 골프=golf"),
    "instrument": nouns("""
        피아노=the piano, 기타=the guitar, 바이올린=the violin, 첼로=the cello, 가야금=the gayageum"""),
    "film": nouns("""
        영화=a movie, 드라마=a drama, 다큐멘터리=a documentary, 만화 영화=an animated movie, 공포 영화=a horror movie
        코미디=a comedy"""),
    "show": nouns("연극=a play, 뮤지컬=a musical, 전시회=an exhibition, 음악회=a concert, 축구 경기=a soccer game"),
    "music": nouns("""
        음악=music, 재즈=jazz, 클래식 음악=classical music, 민요=folk songs*, 록 음악=rock music
        팟캐스트=a podcast, 라디오 방송=a radio program"""),
    "plant": nouns("""
        장미=roses*, 튤립=tulips*, 해바라기=sunflowers*, 상추=lettuce, 딸기=strawberries*, 허브=herbs*
        국화=chrysanthemums*
        나무=a tree, 화분=a potted plant"""),
    "gift": nouns("꽃다발=a bouquet, 선물=a present, 인형=a doll, 장난감=a toy, 향수=perfume, 화장품=cosmetics*"),
    "bodypart": nouns("머리=head, 배=stomach, 목=throat, 허리=back, 무릎=knee, 어깨=shoulder, 발목=ankle, 팔=arm"),
    "illness": nouns("감기=a cold, 두통=a headache, 독감=the flu, 열=a fever, 기침=a cough, 알레르기=an allergy"),
    "medicine": nouns("""
        약=medicine, 감기약=cold medicine, 두통약=headache medicine, 비타민=vitamins*, 소화제=digestive medicine"""),
    "event": nouns("""
        회의=a meeting, 수업=a class, 시험=an exam, 면접=an interview, 발표=a presentation, 생일 파티=a birthday party
        결혼식=a wedding, 졸업식=a graduation ceremony, 동창회=a class reunion, 강연=a lecture, 모임=a gathering
        축제=a festival, 워크숍=a workshop"""),
    "shop": nouns("""
        시장=at the market, 슈퍼마켓=at the supermarket, 백화점=at the department store, 서점=at the bookstore
        편의점=at the convenience store, 빵집=at the bakery, 꽃집=at the flower shop, 옷 가게=at the clothing store
        신발 가게=at the shoe store, 가구점=at the furniture store, 문구점=at the stationery store
        전자 상가=at the electronics market, 벼룩시장=at the flea market"""),
    "grocery": nouns("시장=at the market, 슈퍼마켓=at the supermarket, 편의점=at the convenience store"),
    "fashion_shop": nouns("""
        백화점=at the department store, 옷 가게=at the clothing store, 벼룩시장=at the flea market"""),
    "eatery": nouns("""
        식당=at the restaurant, 카페=at the café, 학생 식당=at the cafeteria, 분식집=at the snack bar
        한식당=at the Korean restaurant, 중국집=at the Chinese restaurant, 찻집=at the teahouse"""),
    "restaurant": nouns("""
        식당=at the restaurant, 한식당=at the Korean restaurant, 학생 식당=at the cafeteria
        분식집=at the snack bar"""),
    "hospital": nouns("병원=at the hospital, 보건소=at the health center"),
    "cafe": nouns("카페=at the café, 찻집=at the teahouse, 빵집=at the bakery"),
    "quiet": nouns("""
        도서관=at the library, 교실=in the classroom, 기숙사=in the dormitory, 독서실=in the reading room
        연구실=in the research lab"""),
    "school": nouns("""
        학교=at school, 대학교=at the university, 교실=in the classroom, 강의실=in the lecture hall
        실험실=in the laboratory, 어학원=at the language school, 고등학교=at the high school"""),
    "office": nouns("""
        사무실=at the office, 회의실=in the meeting room, 본사=at the head office, 공장=at the factory
        연구소=at the research institute, 지사=at the branch office"""),
    "room": nouns("""
        방=in the room, 거실=in the living room, 부엌=in the kitchen, 침실=in the bedroom, 욕실=in the bathroom
        다락방=in the attic, 차고=in the garage, 서재=in the study, 지하실=in the basement, 베란다=on the veranda"""),
    "outdoors": nouns("""
        공원=in the park, 강가=at the riverside, 바닷가=at the beach, 숲=in the forest, 놀이터=at the playground
        광장=in the square, 호숫가=at the lakeside, 마당=in the yard, 캠핑장=at the campsite"""),
    "gym": nouns("체육관=at the gym, 운동장=on the playing field, 공원=in the park, 체육 센터=at the sports center"),
    "city": nouns("""
        서울=in Seoul, 부산=in Busan, 대구=in Daegu, 인천=in Incheon, 경주=in Gyeongju, 전주=in Jeonju
        제주도=on Jeju Island
        파리=in Paris, 런던=in London, 도쿄=in Tokyo, 뉴욕=in New York, 베를린=in Berlin, 로마=in Rome
        방콕=in Bangkok"""),
    "station": nouns("""
        역=at the station, 공항=at the airport, 버스 정류장=at the bus stop, 지하철역=at the subway station
        버스 터미널=at the bus terminal, 항구=at the harbor"""),
    "clinic": nouns("""
        병원=at the hospital, 약국=at the pharmacy, 치과=at the dental clinic, 안과=at the eye clinic
        보건소=at the health center"""),
    "bureau": nouns("""
        은행=at the bank, 우체국=at the post office, 구청=at the district office, 경찰서=at the police station
        대사관=at the embassy, 출입국 사무소=at the immigration office, 주민 센터=at the community center"""),
    "culture": nouns("""
        극장=at the theater, 박물관=at the museum, 미술관=at the art gallery, 공연장=at the concert hall
        영화관=at the movie theater, 문화 센터=at the culture center"""),
    "lesson": nouns("문화 센터=at the culture center, 음악 학원=at the music academy"),
    "sight": nouns("""
        박물관=at the museum, 궁궐=at the palace, 절=at the temple, 성당=at the cathedral, 동물원=at the zoo
        식물원=at the botanical garden, 전망대=at the observatory, 한옥 마을=in the hanok village
        수족관=at the aquarium"""),
    "lodging": nouns("""
        호텔=at the hotel, 민박집=at the guesthouse, 유스 호스텔=at the youth hostel, 한옥 숙소=at the hanok inn"""),
    "farm": nouns("""
        정원=in the garden, 텃밭=in the vegetable garden, 온실=in the greenhouse, 농장=on the farm
        과수원=in the orchard"""),
    "home": nouns("집=at home"),
}

# What a Korean numeral counts a class with, and what English puts in front of a mass noun.
COUNTERS = {
    "fruit": "개",
    "clothes": "벌",
    "accessory": "개",
    "furniture": "개",
    "household": "개",
    "kitchenware": "개",
    "stationery": "개",
    "document": "부",
    "message": "통",
    "book": "권",
    "pet": "마리",
    "animal": "마리",
    "vehicle": "대",
    "device": "대",
    "hot_drink": "잔",
    "cold_drink": "잔",
    "gift": "개",
    "snack": "개",
    "shoes": "켤레",
    "film": "편",
}
MEASURES = {"hot_drink": "cup", "cold_drink": "glass", "shoes": "pair"}
OWN_COUNTERS = {
    "안내문": "장",
    "영수증": "장",
    "엽서": "장",
    "초대장": "장",
    "축하 카드": "장",
    "꽃다발": "다발",
    "향수": "병",
    "이불": "장",
    "거울": "개",
    "수건": "장",
    "볼펜": "자루",
    "연필": "자루",
    "색연필": "자루",
    "공책": "권",
    "접시": "개",
    "맥주": "잔",
    "카메라": "대",
    "키보드": "개",
    "충전기": "개",
    "마우스": "개",
    "스피커": "개",
    "사진": "장",
    "손목시계": "개",
}
