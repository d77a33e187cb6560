"""People, adjectives, times and manners: the words that are not plain nouns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Someone who can be a subject. Agreement is one of I, we, you, he, they ("he" stands for any singular)."""

    ko: str
    en: str
    agreement: str = "he"
    kind: str = "role"  # speaker, name, elder, role, kin, group
    pronoun: str = ""  # The English subject of a second clause; empty where Korean leaves the gender open.


def table(text: str) -> tuple[tuple[str, str], ...]:
    """Read comma-separated "Korean=English" pairs."""
    entries = (entry.strip() for entry in text.replace("\n", ",").split(",") if entry.strip())
    return tuple((ko, en) for ko, en in (entry.split("=") for entry in entries))


NAMES = tuple(
    Person(ko, en, kind="name")
    for ko, en in table("""
    민준=Minjun, 서연=Seoyeon, 지훈=Jihun, 수빈=Subin, 하은=Haeun, 도윤=Doyun, 예진=Yejin, 현우=Hyeonu, 지우=Jiu
    유나=Yuna, 태호=Taeho, 은지=Eunji, 준서=Junseo, 미나=Mina, 동현=Donghyeon, 소라=Sora, 재민=Jaemin, 나은=Naeun
    성호=Seongho, 가영=Gayeong, 안나=Anna, 토마스=Thomas, 마리아=Maria, 루카스=Lucas, 에밀리=Emily, 다니엘=Daniel
    사라=Sarah, 피터=Peter, 올리비아=Olivia, 레오=Leo
""")
)
ROLES = tuple(
    Person(ko, "the " + en)
    for ko, en in table("""
    학생=student, 요리사=cook, 기자=reporter, 간호사=nurse, 경찰관=police officer, 배우=actor, 가수=singer
    화가=painter, 작가=writer, 농부=farmer, 운전사=driver, 기술자=engineer, 연구원=researcher, 직원=employee
    관광객=tourist, 비서=secretary, 점원=clerk, 우체부=mail carrier, 건축가=architect, 통역사=interpreter
    변호사=lawyer, 소방관=firefighter, 사진작가=photographer, 프로그래머=programmer, 미용사=hairdresser
""")
)
KIN = tuple(
    Person(ko, "my " + en, kind="kin")
    for ko, en in table("""
    남동생=younger brother, 여동생=younger sister, 아들=son, 딸=daughter, 조카=nephew, 친구=friend
    사촌=cousin, 룸메이트=roommate, 동료=coworker, 후배=junior colleague
""")
)
ELDERS = tuple(
    Person(ko, en, kind="elder")
    for ko, en in table("""
    할머니=my grandmother, 할아버지=my grandfather, 어머니=my mother, 아버지=my father, 삼촌=my uncle, 이모=my aunt
    선생님=the teacher, 교수님=the professor, 의사 선생님=the doctor, 부장님=the department head, 사장님=the president
    이웃집 아주머니=the lady next door
""")
)
GROUPS = tuple(
    Person(ko, en, "they", "group", "they")
    for ko, en in table("""
    아이들=the children, 학생들=the students, 친구들=my friends, 동료들=my coworkers, 이웃들=the neighbors
    직원들=the employees, 관광객들=the tourists, 손님들=the guests, 연구원들=the researchers
""")
)
# Groups that have no business in a scene.
ABSENT = {
    scene: ("손님들", "관광객들", "관광객", *more)
    for scenes, more in (
        (("cooking", "cleaning", "garden", "family", "pets", "study", "reading"), ()),
        (("work", "technology", "errands", "transport", "moving"), ("아이들", "학생들")),
    )
    for scene in scenes
}
# The plain first person; its Korean word follows the speech level.
SPEAKER = Person("저", "I", "I", "speaker", "I")
WE = Person("우리", "we", "we", "group", "we")
HE, SHE, THEY = (
    Person("그", "he", "he", "he", "he"),
    Person("그녀", "she", "he", "she", "she"),
    Person("그들", "they", "they", "group", "they"),
)

# Adjectives and the noun classes they describe.
DESCRIPTIONS = {
    "신선하다=fresh": "fruit vegetable meat",
    "맛있다=tasty": "fruit dish snack hot_drink",
    "달다=sweet": "fruit snack",
    "비싸다=expensive": "fruit clothes shoes accessory furniture device vehicle meat",
    "싸다=cheap": "fruit vegetable clothes shoes accessory furniture device",
    "따뜻하다=warm": "clothes shoes",
    "뜨겁다=hot": "hot_drink dish",
    "차갑다=cold": "cold_drink",
    "시원하다=refreshing": "cold_drink",
    "맵다=spicy": "dish",
    "짜다=salty": "dish",
    "싱겁다=bland": "dish",
    "크다=big": "fruit household kitchenware furniture pet animal vehicle",
    "작다=small": "fruit household kitchenware furniture pet animal accessory device",
    "새롭다=new": "software",
    "낡다=worn-out": "clothes shoes accessory furniture vehicle",
    "편하다=comfortable": "shoes furniture",
    "예쁘다=pretty": "clothes accessory plant gift shoes",
    "아름답다=beautiful": "plant city sight",
    "귀엽다=cute": "pet gift",
    "똑똑하다=smart": "pet",
    "온순하다=gentle": "pet animal",
    "사납다=fierce": "animal",
    "빠르다=fast": "vehicle animal transport",
    "느리다=slow": "vehicle software",
    "편리하다=convenient": "transport software appliance device",
    "무겁다=heavy": "furniture household tool accessory device",
    "가볍다=light": "shoes accessory device tool",
    "날카롭다=sharp": "tool_sharp",
    "튼튼하다=sturdy": "furniture tool accessory",
    "어렵다=difficult": "book subject language document",
    "쉽다=easy": "book language",
    "재미있다=interesting": "book film show subject",
    "지루하다=boring": "book film show",
    "길다=long": "document film message",
    "짧다=short": "document message film book",
    "복잡하다=complicated": "document software",
    "중요하다=important": "document message data",
    "유용하다=useful": "software tool book",
    "유명하다=famous": "eatery city sight",
    "조용하다=quiet": "quiet cafe lodging outdoors",
    "깨끗하다=clean": "room lodging eatery clothes station",
    "더럽다=dirty": "room clothes shoes vehicle kitchenware",
    "넓다=spacious": "room office outdoors",
    "좁다=cramped": "room office lodging",
    "밝다=bright": "room",
    "어둡다=dark": "room",
    "멀다=far away": "station clinic bureau sight",
    "가깝다=close": "station clinic bureau shop",
    "붐비다=crowded": "station shop eatery sight",
    "슬프다=sad": "film",
    "무섭다=scary": "film",
    "하얗다=white": "clothes pet vehicle",
    "빨갛다=red": "clothes accessory plant vehicle",
    "까맣다=black": "clothes pet accessory shoes vehicle",
    "노랗다=yellow": "accessory clothes",
    "파랗다=blue": "clothes accessory vehicle",
    "두껍다=thick": "book clothes document",
    "얇다=thin": "book clothes",
    "독특하다=unique": "accessory clothes gift",
    "오래되다=old": "household sight furniture",
    "고급스럽다=elegant": "accessory furniture lodging",
    "다양하다=varied": "",
    "친절하다=kind": "person",
    "성실하다=diligent": "person",
    "조심스럽다=careful": "person",
    "부지런하다=hardworking": "person",
    "용감하다=brave": "person",
    "젊다=young": "person",
    "솔직하다=honest": "person",
    "정직하다=trustworthy": "person",
    "상냥하다=friendly": "person",
    "바쁘다=busy": "person",
}
# Adjectives that sound odd before the object of an action: one does not buy a bland soup.
PREDICATIVE = {
    "싱겁다",
    "짜다",
    "싸다",
    "지루하다",
    "느리다",
    "멀다",
    "가깝다",
    "붐비다",
    "사납다",
    "무섭다",
    "더럽다",
    "낡다",
    "쉽다",
    "복잡하다",
    "시원하다",
    "얇다",
    "어둡다",
    "좁다",
    "똑똑하다",
    "온순하다",
    "편리하다",
    "뜨겁다",
    "어렵다",
    "슬프다",
    "비싸다",
    "깨끗하다",
}

# Adjectives one cannot have too much of: 너무 does not go with them.
PRAISE = {
    "맛있다",
    "신선하다",
    "예쁘다",
    "아름답다",
    "귀엽다",
    "똑똑하다",
    "유용하다",
    "재미있다",
    "중요하다",
    "편리하다",
    "튼튼하다",
    "유명하다",
    "깨끗하다",
    "시원하다",
    "독특하다",
    "고급스럽다",
    "편하다",
    "온순하다",
    "새롭다",
}

# Adjective stems that occur in the scenes besides the descriptions above.
MORE_ADJECTIVES = {
    "좋다",
    "나쁘다",
    "아프다",
    "피곤하다",
    "배고프다",
    "고프다",
    "마르다",
    "기쁘다",
    "춥다",
    "덥다",
    "맑다",
    "흐리다",
    "많다",
    "적다",
    "높다",
    "낮다",
    "늦다",
    "졸리다",
    "심하다",
    "필요하다",
    "부족하다",
    "건강하다",
    "행복하다",
    "심심하다",
    "궁금하다",
    "불편하다",
    "미끄럽다",
    "부드럽다",
    "시끄럽다",
    "안전하다",
    "위험하다",
    "급하다",
    "강하다",
    "친하다",
    "즐겁다",
    "답답하다",
    "고맙다",
    "외롭다",
    "그립다",
    "자유롭다",
    "새롭다",
    "충분하다",
    "어지럽다",
    "괜찮다",
    "저렴하다",
    "훌륭하다",
    "뛰어나다",
    "유익하다",
    "특별하다",
    "따뜻하다",
    "건조하다",
    "선선하다",
    "화창하다",
    "힘들다",
    "싶다",
    "초조하다",
}
ADJECTIVES = {entry.split("=")[0] for entry in DESCRIPTIONS} | MORE_ADJECTIVES
ADJECTIVES -= {"마르다", "붐비다", "늦다", "오래되다"}


def describing(noun_class: str) -> tuple[tuple[str, str], ...]:
    """Return the adjectives, in both languages, that fit a noun class."""
    return tuple(
        (ko, en) for (ko, en), classes in ((e.split("="), c) for e, c in DESCRIPTIONS.items()) if noun_class in classes.split()
    )


PAST_TIMES = table("""
    어제=yesterday, 그저께=the day before yesterday, 지난주에=last week, 지난 주말에=last weekend
    오늘 오후에=this afternoon, 지난 월요일에=last Monday, 지난 수요일에=last Wednesday, 지난 금요일에=last Friday
    지난 토요일에=last Saturday, 며칠 전에=a few days ago, 이틀 전에=two days ago, 어제 오후에=yesterday afternoon
    일주일 전에=a week ago, 지난 일요일에=last Sunday
""")
FUTURE_TIMES = table("""
    내일=tomorrow, 모레=the day after tomorrow, 다음 주에=next week, 이번 주말에=this weekend
    다음 화요일에=next Tuesday, 다음 목요일에=next Thursday, 이따가=later, 내일 오후에=tomorrow afternoon
    다음 주말에=next weekend, 곧=soon, 다음 토요일에=next Saturday, 며칠 후에=in a few days
""")
REPEATED_TIMES = table("""
    매일=every day, 매주=every week, 주말마다=every weekend, 월요일마다=every Monday, 토요일마다=every Saturday
    일주일에 한 번=once a week, 일주일에 두 번=twice a week, 한 달에 한 번=once a month, 한 달에 두 번=twice a month
    날마다 오후에=every afternoon, 일요일마다=every Sunday, 수요일마다=every Wednesday, 이틀에 한 번=every other day
""")
FREQUENCIES = table("자주=often, 항상=always, 가끔=sometimes, 보통=usually")
MANNERS = dict(
    table("""
    열심히=diligently, 천천히=slowly, 조용히=quietly, 빨리=quickly, 조심스럽게=carefully, 즐겁게=happily, 혼자=alone
    깨끗이=thoroughly, 정성껏=with great care, 꼼꼼히=meticulously
    오랫동안=for a long time, 한 시간 동안=for an hour, 두 시간 동안=for two hours, 삼십 분 동안=for thirty minutes
    일찍=early, 늦게까지=until late, 친절하게=kindly, 자세히=in detail
    밤늦게까지=late into the night
""")
)
COMPANIONS = table("""
    친구와=with a friend, 가족과=with family, 동료와=with a coworker, 이웃과=with a neighbor, 친구들과=with friends
""")
WORKMATES = table("동료와=with a coworker, 동료들과=with coworkers")
CLASSMATES = table("친구와=with a friend, 친구들과=with friends")
OWN_COMPANIONS = table("""
    남동생과=with my younger brother, 어머니와=with my mother, 아버지와=with my father, 사촌과=with my cousin
    여동생과=with my younger sister, 할머니와=with my grandmother, 룸메이트와=with my roommate
""")
