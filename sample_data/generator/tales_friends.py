"""Tales of friends and classmates: what happens first decides what happens next."""

from random import Random

from .tale import Tale

NUMBERS = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉", "열", "열한", "열두")
PLACES = "공원, 도서관, 놀이터, 교실, 운동장, 시장, 극장, 미술관, 서점"
# Where something is left behind: a place, and the spot in it.
LAID_DOWN = (
    *(
        "공원, 의자 밑",
        "공원, 나무 밑",
        "도서관, 창가",
        "도서관, 책장 옆",
        "놀이터, 그네 옆",
        "놀이터, 미끄럼틀 밑",
        "교실, 책상 밑",
    ),
    *(
        "교실, 창가",
        "운동장, 나무 밑",
        "시장, 과일 가게 앞",
        "극장, 의자 밑",
        "미술관, 문 옆",
        "서점, 책장 옆",
        "서점, 계산대 위",
    ),
)
COLOURS = "빨간, 파란, 노란, 하얀, 까만, 초록색, 분홍색, 보라색"


def lost(rng: Random) -> Tale:
    """Something is lost where it was laid down, and found there."""
    t = Tale.begun(rng)
    t.cast("a", "b")
    t.choose("colour", COLOURS)
    t.choose("thing", "모자, 우산, 가방, 장갑, 목도리, 필통, 지갑, 물통")
    t.row("place spot", *LAID_DOWN)
    t.choose("other", PLACES)
    t.say(
        "{a:은} {colour} {thing:을} 아주 [좋아하다]",
        "{a}에게는 {colour} {thing:이} [있다]",
        "{a:은} 생일에 {colour} {thing:을} [받다]",
    )
    t.say(
        "그런데 어느 날 {thing:이} [없어지다]",
        "어느 날 {a:은} {thing:을} [잃어버리다]",
        "오늘 아침에 보니 {thing:이} 보이지 [않다]",
    )
    t.perhaps(
        0.6, "{a:은} 방을 다 뒤졌지만 {thing:은} [없다]", "책상 밑에도 침대 밑에도 {thing:은} [없다]", "{a:은} 울고 [싶다]"
    )
    t.say("{a:은} {b}에게 전화를 [걸다]", "{a:은} {b}에게 도와 달라고 [하다]", "{b:이} 같이 찾아 주겠다고 [하다]")
    t.perhaps(0.5, '"어제 어디에 갔어?" {b:이} [묻다]', '"어디에서 마지막으로 봤어?" {b:이} [묻다]')
    t.say("{a:은} 어제 {other}에도 가고 {place}에도 [가다]", "둘은 {a:이} 어제 갔던 {other:과} {place}에 가 보기로 [하다]")
    t.say("{other}에는 {thing:이} [없다]", "먼저 {other}에 갔지만 {thing:은} 거기 [없다]")
    t.say(
        "둘은 {place}에 가서 여기저기 [살펴보다]", "그다음에는 {place}에 [가다]", "{place}에 가자 {b:이} {spot:을} [가리키다]"
    )
    t.say(
        "{place} {spot}에 {colour} {thing:이} [놓여 있다]",
        "{colour} {thing:은} {place} {spot}에 그대로 [있다]",
        "{b:이} {spot}에서 {colour} {thing:을} [찾아내다]",
    )
    t.say("{a:은} {b}에게 고맙다고 [말하다]", "{a:은} 기뻐서 {b:을} 꼭 [껴안다]", "{a:은} 고마워서 {b}에게 과자를 [사 주다]")
    t.perhaps(0.5, "그날부터 {a:은} {thing:을} 꼭 [챙기다]", "{a:은} {thing}에 이름을 [쓰다]")
    return t


def counting(rng: Random) -> Tale:
    """What is given away is missing afterwards: the numbers add up."""
    t = Tale.begun(rng)
    t.cast("a", "b")
    have = t.rng.randint(4, 12)
    give = t.rng.randint(1, min(4, have - 2))
    left = have - give
    t.row(
        "thing unit",
        "사과, 개",
        "귤, 개",
        "사탕, 개",
        "구슬, 개",
        "딱지, 장",
        "색종이, 장",
        "연필, 자루",
        "공책, 권",
        "빵, 개",
        "만두, 개",
        "장미, 송이",
    )
    t.words.update(n=NUMBERS[have], m=NUMBERS[give], left=NUMBERS[left])
    edible = t.words["thing"] in ("사과", "귤", "사탕", "빵", "만두")
    t.choose("giver", "할머니, 어머니, 이모, 삼촌, 선생님")
    t.say(
        "{a}에게 {thing:이} {n} {unit} [있다]",
        "{giver:이} {a}에게 {thing:을} {n} {unit} [주시다]",
        "{a:은} {thing:을} {n} {unit} [사다]",
    )
    t.perhaps(0.4, "{a:은} {thing:을} 하나씩 [세어 보다]", "{a:은} 아주 [기쁘다]")
    t.say("그때 {b:이} [놀러 오다]", "{b:은} {thing:이} 하나도 [없다]", "{a:은} 친구 {b:을} [만나다]")
    t.say("{a:은} {b}에게 {thing:을} {m} {unit} [주다]", "{a:은} {thing} {m} {unit:을} {b}에게 [나누어 주다]")
    t.say("이제 {a}에게는 {thing:이} {left} {unit} [남다]", "남은 {thing:은} 모두 {left} [={unit}]")
    if edible and left > 2 and t.chance(0.6):
        eat = t.rng.randint(1, left - 1)
        t.words.update(k=NUMBERS[eat], rest=NUMBERS[left - eat])
        t.say("{a:은} 저녁에 {thing:을} {k} {unit} [먹다]", "{a:은} 그중에서 {k} {unit:을} [먹다]")
        t.say("그래서 {thing:은} {rest} {unit}만 [남다]", "다시 세어 보니 {thing:이} {rest} [={unit}]")
    t.say(
        "{b:은} 고맙다고 [말하다]",
        "{b:은} 다음에 {a}에게 더 좋은 것을 주겠다고 [약속하다]",
        "가진 것은 줄었지만 {a}의 마음은 더 [넉넉하다]",
    )
    return t


def birthday(rng: Random) -> Tale:
    """A present is right when it is what the other likes."""
    t = Tale.begun(rng)
    t.cast("a", "b")
    t.row(
        "likes gift",
        "그림 그리기, 색연필",
        "책, 동화책",
        "축구, 축구공",
        "고양이, 고양이 인형",
        "음악, 작은 북",
        "빵 만들기, 앞치마",
        "별, 망원경",
        "꽃, 꽃다발",
        "기차, 장난감 기차",
        "초콜릿, 초콜릿 케이크",
    )
    t.choose("day", "월요일, 화요일, 수요일, 목요일, 금요일, 토요일, 일요일")
    t.say("{day:은} {b}의 [=생일]", "{day}에 {b}의 생일잔치가 [있다]")
    t.say("{a:은} 무엇을 선물할지 [고민하다]", "{a:은} 며칠 전부터 선물을 [생각하다]")
    t.say("{b:은} {likes:을} 아주 [좋아하다]", "{a:은} {b:이} {likes:을} 좋아한다는 것을 [떠올리다]")
    if t.chance(0.5):
        t.say("그래서 {a:은} 모아 둔 용돈으로 {gift:을} [사다]", "{a:은} 시장에 가서 {gift:을} [고르다]")
        t.perhaps(0.5, "{a:은} {gift:을} 예쁜 종이로 [싸다]", "{a:은} 상자에 리본을 [달다]")
    else:
        t.say("{gift:은} 너무 비싸서 살 수 [없다]", "하지만 {a}에게는 돈이 [부족하다]")
        t.say("{a:은} 심부름을 해서 돈을 [모으다]", "그래서 동생과 돈을 [합치다]")
        t.say("드디어 {a:은} {gift:을} [사다]", "{day} 아침에 겨우 {gift:을} [사다]")
    t.say("잔칫날 {a:은} {b}에게 선물을 [내밀다]", "{a:은} {b}의 집에 가서 선물을 [주다]")
    t.say("상자를 여니 {gift:이} [들어 있다]", "{b:은} {gift:을} 보고 눈이 [동그래지다]", "{gift:을} 본 {b:은} 소리를 [지르다]")
    t.say("{b:은} 제일 갖고 싶던 것이라고 [말하다]", "{b:은} {a:을} 꼭 [껴안다]", "{b:은} 하루 종일 {gift}만 [바라보다]")
    t.perhaps(0.6, "둘은 케이크를 [나누어 먹다]", "{a}도 덩달아 [기쁘다]", "모두 함께 노래를 [부르다]")
    return t


def contest(rng: Random) -> Tale:
    """Who practises does well; who does not, does not."""
    t = Tale.begun(rng)
    t.cast("a", "b")
    t.row(
        "event train place",
        "달리기 대회, 달리기를 연습하다, 운동장",
        "수영 대회, 수영을 연습하다, 수영장",
        "노래 대회, 노래를 연습하다, 음악실",
        "줄넘기 대회, 줄넘기를 연습하다, 마당",
        "피아노 대회, 피아노를 연습하다, 학원",
        "퀴즈 대회, 책을 읽다, 도서관",
        "요리 대회, 요리를 연습하다, 부엌",
    )
    t.choose("when", "다음 주, 다음 달, 토요일")
    t.say("{when}에 {event:이} 열린다는 소식이 [들리다]", "학교에서 {event:을} [열다]")
    t.say("{a:과} {b:은} 함께 나가기로 [하다]", "{a}도 {b}도 {event}에 [나가다]")
    t.say(f"{{a:은}} 매일 {{place}}에서 [{t.words['train']}]")
    t.perhaps(
        0.6,
        "비가 오는 날에도 {a:은} 쉬지 [않다]",
        "{a:은} 저녁마다 땀을 [흘리다]" if "책" not in t.words["train"] else "{a:은} 밤늦게까지 불을 [켜 두다]",
    )
    lazy = t.chance(0.6)
    if lazy:
        t.say(
            "{b:은} 연습하지 않고 [놀기만 하다]", "{b:은} 자신이 있어서 낮잠만 [자다]", "{b:은} 내일부터 하겠다고 매일 [미루다]"
        )
    else:
        t.say("{b}도 {a}의 옆에서 열심히 [노력하다]", "{b:은} {a}에게 지지 않으려고 더 일찍 [일어나다]")
    t.say("드디어 대회 날이 [되다]", "마침내 {event:이} [시작되다]", "대회 날 아침, 둘은 몹시 [떨리다]")
    if lazy:
        t.say("{a:은} 일등을 [하다]", "{a:은} 금메달을 [받다]", "모두가 {a}의 이름을 [부르다]")
        t.say("{b:은} 꼴찌를 [하다]", "{b:은} 중간에 [포기하다]")
        t.say("{b:은} 연습하지 않은 것을 [후회하다]", "{b:은} 다음에는 {a}처럼 연습하기로 [마음먹다]")
    else:
        t.say("{a:이} 일등을 하고 {b:이} 이등을 [하다]", "{b:이} 일등을 하고 {a:이} 이등을 [하다]", "둘은 똑같은 점수를 [받다]")
        t.say("둘은 서로 손을 잡고 [기뻐하다]", "{a:과} {b:은} 함께 상을 [받다]")
    t.perhaps(0.5, "집에 가는 길에 둘은 떡볶이를 [먹다]", "선생님도 크게 [칭찬하시다]")
    return t


def appointment(rng: Random) -> Tale:
    """A promised hour, why somebody is late, and what the other does meanwhile."""
    t = Tale.begun(rng)
    t.cast("a", "b")
    hour = t.rng.choice([1, 2, 3, 4, 5, 10, 11])
    t.words.update(hour=NUMBERS[hour], late=NUMBERS[hour % 12 + 1])
    t.row(
        "place do",
        *(
            "극장, 영화를 보다",
            "도서관, 숙제를 하다",
            "도서관, 책을 읽다",
            "공원, 산책을 하다",
            "공원, 자전거를 타다",
            "서점, 책을 고르다",
        ),
        *("미술관, 그림을 구경하다", "시장, 떡볶이를 먹다", "놀이터, 그네를 타다", "수영장, 수영을 하다"),
    )
    t.say(
        "{a:과} {b:은} {hour} 시에 {place} 앞에서 만나기로 [하다]", "{a:은} {b:과} {hour} 시에 {place}에서 만나기로 [약속하다]"
    )
    t.perhaps(0.5, f"둘은 만나서 {t.words['do'].removesuffix('다')}기로 [하다]")
    late = t.chance(0.65)
    if late:
        t.row(
            "why sorry",
            "버스가 고장 나다, 버스가 고장 났다고",
            "늦잠을 자다, 늦잠을 잤다고",
            "길을 잃다, 길을 잃었다고",
            "버스를 놓치다, 버스를 놓쳤다고",
            "지갑을 두고 나오다, 지갑을 두고 나왔다고",
            "길이 막히다, 길이 막혔다고",
        )
        t.say(
            f"그런데 {{b:은}} 그만 [{t.words['why']}]"
            if t.words["why"][:2] in ("늦잠", "길을", "지갑") or "놓치" in t.words["why"]
            else f"그런데 {{b:이}} 오는 길에 [{t.words['why']}]"
        )
        t.say("{a:은} {hour} 시부터 혼자 [기다리다]", "{hour} 시가 지나도 {b:은} 오지 [않다]")
        t.perhaps(0.5, "{a:은} 걱정이 되어 시계를 자꾸 [보다]", "{a:은} 의자에 앉아서 책을 [읽다]")
        t.say("{b:은} {late} 시가 되어서야 [도착하다]", "{late} 시에 {b:이} 숨을 헐떡이며 [뛰어오다]")
        t.say("{b:은} {sorry} [말하다]", "{b:은} {sorry} 하면서 [사과하다]")
        t.say(
            "{a:은} 웃으며 괜찮다고 [하다]", "{a:은} 조금 화가 났지만 [용서하다]", "{b:은} 미안해서 {a}에게 음료수를 [사 주다]"
        )
    else:
        t.say("{b:은} {hour} 시보다 십 분 일찍 [도착하다]", "{a:은} 일찍 나와서 기다리고 [있다]")
        t.say("{hour} 시가 되자 {a}도 [오다]" if "십 분" in t.lines[-1] else "{hour} 시가 되자 {b}도 [오다]")
    t.say(f"둘은 함께 [{t.words['do']}]", f"그날 {{a:과}} {{b:은}} 즐겁게 [{t.words['do']}]")
    t.say("다음 주에도 {place}에서 만나기로 [하다]", "헤어질 때는 벌써 해가 지고 [있다]", "둘에게는 참 즐거운 [=하루]")
    return t


FRIENDS = (lost, counting, birthday, contest, appointment)
