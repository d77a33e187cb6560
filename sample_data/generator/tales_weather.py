"""Diary entries: the weather decides what is worn, what is done and how it ends."""

from random import Random

from .tale import Tale

WEATHER = {
    "rain": ("아침부터 비가 [내리다]", "창밖을 보니 비가 오고 [있다]", "하늘이 어둡더니 비가 [쏟아지다]"),
    "snow": ("밤사이 눈이 많이 [쌓이다]", "아침부터 눈이 펑펑 [내리다]", "창문을 여니 온 세상이 [하얗다]"),
    "sun": ("하늘이 맑고 햇볕이 [따뜻하다]", "하늘에 구름 한 점 [없다]", "오랜만에 날씨가 [화창하다]"),
    "wind": ("바람이 아주 세게 [불다]", "나뭇가지가 흔들릴 만큼 바람이 [불다]"),
    "cold": ("어제보다 훨씬 [춥다]", "입김이 하얗게 나올 만큼 [춥다]", "손이 꽁꽁 얼 만큼 [춥다]"),
}
OUTINGS = (
    *("공원, 자전거를 타다", "강가, 도시락을 먹다", "뒷산, 산책을 하다", "바닷가, 조개를 줍다", "동물원, 코끼리를 보다"),
    *("운동장, 축구를 하다", "놀이터, 술래잡기를 하다"),
)


def diary(rng: Random) -> Tale:
    """A day with a friend, from the morning to the evening."""
    t = Tale.begun(rng, 0.25)
    t.cast("b")
    t.choose("day", "월요일, 화요일, 수요일, 목요일, 금요일, 토요일, 일요일")
    morning = ("{day} 아침 일찍 [일어나다]", "{day} 아침에 늦잠을 [자다]", "{day:은} 내가 제일 좋아하는 [^=날]")
    t.say(f"오늘은 [^={t.words['day']}]", *morning)
    kind = t.rng.choice(list(WEATHER))
    t.say(*WEATHER[kind])
    DAYS[kind](t)
    evening = ("참 즐거운 [=하루]", "내일은 날씨가 어떨지 [궁금하다]", "일기를 쓰고 일찍 [자다]")
    t.say(*evening, "내일도 {b:과} 놀고 [싶다]", "오늘은 {b} 덕분에 더 [즐겁다]")
    return t


def rain(t: Tale) -> None:
    """Without an umbrella one gets wet, and a cold."""
    if t.chance(0.4):
        t.say("그런데 우산을 깜빡하고 집을 [나오다]", "나는 우산을 챙기지 않고 밖에 [나가다]")
        t.say("금세 옷이 다 [젖다]", "머리부터 발끝까지 비를 [맞다]")
        t.say("다행히 {b:이} 우산을 [씌워 주다]", "{b:이} 우산을 같이 쓰자고 [하다]")
        t.say("저녁이 되자 콧물이 나고 목이 [아프다]", "집에 오니 열이 [나다]", "{b} 덕분에 감기에는 걸리지 [않다]")
        return
    t.choose("street", "길, 운동장, 골목")
    t.say("나는 우산을 쓰고 장화를 [신다]", "나는 노란 우산을 [챙기다]")
    t.say("{street:이} 온통 물웅덩이로 [가득하다]", "{b:과} 나는 물웅덩이에서 [첨벙거리다]")
    t.say(
        "집에 와서 {b:과} 따뜻한 국물을 [마시다]",
        "저녁에는 빗소리를 들으며 김치전을 [먹다]",
        "오후에는 {b:과} 집에서 책을 [읽다]",
    )


def snow(t: Tale) -> None:
    """A snowman or a snowball fight, and cold hands."""
    t.choose("where", "마당, 놀이터, 운동장, 골목")
    t.say("나는 장갑을 끼고 밖으로 [뛰어나가다]", "나는 목도리를 두르고 {b:을} [부르다]")
    if t.chance(0.5):
        t.choose("nose", "당근, 나뭇가지, 귤, 솔방울")
        t.say("{b:과} {where}에서 눈사람을 [만들다]", "우리는 {where}에서 커다란 눈사람을 [만들다]")
        t.say("눈사람의 코는 {nose:으로} [만들다]", "{b:이} {nose:을} 가져와서 코를 [붙이다]")
        t.perhaps(0.6, "눈사람에게 내 모자를 [씌워 주다]", "눈사람은 밤새 {where:을} [지키다]")
    else:
        t.say("{where}에서 {b:과} 눈싸움을 [하다]", "{b:이} {where}에서 눈싸움을 하자고 [하다]")
        t.say("{b:이} 던진 눈이 내 얼굴에 [날아오다]", "내가 던진 눈은 하나도 맞지 [않다]")
        t.perhaps(0.6, "우리는 배가 아프도록 [웃다]", "옷이 다 젖었지만 [즐겁다]")
    t.say("손이 시려서 집에 들어와 코코아를 [마시다]", "집에 와서 이불 속에서 손을 [녹이다]")


def sun(t: Tale) -> None:
    """An outing, and what it leaves behind."""
    t.row("where do", *OUTINGS)
    t.say("{b:과} {where}에 [가다]", "{b:이} {where}에 가자고 [하다]")
    t.say(f"{{where}}에서 우리는 [{t.words['do']}]")
    t.say("여기저기 꽃이 피어 [있다]", "사람들이 모두 [웃고 있다]", "바람도 [시원하다]")
    t.say("햇볕에 얼굴이 빨갛게 [타다]", "많이 걸어서 다리가 [아프다]", "돌아오는 길에 아이스크림을 [사 먹다]")


def wind(t: Tale) -> None:
    """A kite flies, or something that should not."""
    if t.chance(0.4):
        t.say("{b:과} 언덕에서 연을 [날리다]", "연을 날리기에 딱 좋은 [=날]")
        t.say("내 연이 {b}의 연보다 높이 [올라가다]", "갑자기 줄이 끊어져서 연이 멀리 [날아가다]")
    else:
        t.choose("thing", "모자, 손수건, 빨래, 우산, 공책")
        t.say("내 {thing:이} 바람에 [날아가다]", "갑자기 {thing:이} 하늘로 [날아오르다]")
        t.say("나는 {thing:을} 잡으려고 한참 [뛰다]", "{b:이} 달려가서 {thing:을} [잡아 주다]")
    t.say("집에 오니 머리가 엉망이 되어 [있다]", "밤에도 바람 소리가 [무섭다]")


def cold(t: Tale) -> None:
    """Something hot from the street warms the hands."""
    t.choose("hot", "군고구마, 붕어빵, 호떡, 어묵, 군밤")
    t.say("나는 두꺼운 외투를 입고 {b:을} [만나다]", "외투를 입지 않아서 몸이 [떨리다]")
    t.say("길에서 {hot:을} 파는 아저씨를 [보다]", "{b:이} {hot:을} 먹자고 [하다]")
    t.say("{b:과} {hot:을} 나누어 [먹다]", "뜨거운 {hot:을} 먹으니 몸이 [따뜻해지다]")


DAYS = {"rain": rain, "snow": snow, "sun": sun, "wind": wind, "cold": cold}
