"""Tales of animals, gardens and kitchens: what happens first decides what happens next."""

from random import Random

from .tale import Tale

GATHERED = (
    *(
        "봄, 딸기",
        "봄, 나물",
        "여름, 옥수수",
        "여름, 산딸기",
        "가을, 도토리",
        "가을, 밤",
        "가을, 사과",
        "가을, 감",
        "가을, 버섯",
    ),
    *("겨울, 당근", "겨울, 고구마", "겨울, 땅콩"),
)


def sharing(rng: Random) -> Tale:
    """Animals: who shares is given something back; who does not stays alone."""
    t = Tale.begun(rng, 0.5)
    t.choose("a", "토끼, 곰, 다람쥐, 여우, 고슴도치, 너구리, 사슴, 생쥐")
    t.choose("b", "토끼, 곰, 다람쥐, 여우, 고슴도치, 너구리, 사슴, 생쥐")
    t.choose("home", "숲속, 산속, 강가, 언덕, 들판")
    t.row("season food", *GATHERED)
    t.choose("gift", "꿀, 호두, 감자, 배추, 잣, 머루")
    t.choose("how", "작은, 어린, 부지런한, 조용한, 씩씩한, 키가 큰")
    t.say("옛날 {home}에 {how} {a:이} [살다]", "{home}에 {how} {a} 한 마리가 [살다]", "어느 {home}에 {how} {a:이} 살고 [있다]")
    t.say("어느 {season}날 {a:은} {food:을} 많이 [찾다]", "어느 {season}날 {a:은} 길에서 {food:을} [발견하다]")
    t.say("그때 배고픈 {b:이} [다가오다]", "그런데 {b:이} 배가 고파서 울고 [있다]", "집에 가는 길에 {b:을} [만나다]")
    t.say('"{food:을} 조금만 나눠 줄래?" {b:이} [말하다]', '"나는 어제부터 아무것도 못 먹었어." {b:이} [말하다]')
    if t.chance(0.6):
        t.say("{a:은} {food:을} 반으로 [나누다]", "{a:은} 웃으며 {food:을} [나누어 주다]", '"같이 먹자!" {a:이} [말하다]')
        t.say("둘은 나란히 앉아 {food:을} [먹다]", "{b:은} {food:을} 맛있게 [먹다]")
        t.perhaps(0.5, "{b:은} 고맙다고 몇 번이나 [인사하다]", "{b}의 얼굴이 [밝아지다]")
        t.words["storm"] = "큰 눈이" if t.words["season"] == "겨울" else "비가 많이"
        t.say("며칠 뒤 {storm} 와서 {a:은} 먹을 것이 [없다]", "그러다 {a:이} 발을 다쳐서 집에 누워 있게 [되다]")
        t.say("그러자 {b:이} {gift:을} 들고 [찾아오다]", "{b:은} {gift:을} 한 바구니 [가져오다]")
        t.say(
            "{a:과} {b:은} 그 뒤로 둘도 없는 친구가 [되다]",
            "{a:은} {gift:을} 먹고 힘을 [내다]",
            "그날부터 둘은 무엇이든 [나누어 먹다]",
        )
    else:
        t.say('"안 돼, 이건 다 내 거야." {a:이} [말하다]', "{a:은} 못 들은 척하고 {food:을} 혼자 [먹다]")
        t.say("{b:은} 힘없이 [돌아가다]", "{b:은} 아무 말도 하지 [않다]")
        t.say("그날 밤 {a:은} {food:을} 너무 많이 먹어서 배탈이 [나다]", "다음 날 {a:이} 놀자고 했지만 아무도 오지 [않다]")
        t.say("{a:은} 혼자라서 [쓸쓸하다]", "{a:은} {b}에게 한 말이 자꾸 [생각나다]")
        t.say("{a:은} {b:을} 찾아가서 미안하다고 [말하다]", "이튿날 {a:은} 남은 {food:을} {b}에게 [가져다주다]")
        t.say("{b:은} 웃으며 {a:을} [용서하다]", "둘은 그제야 함께 [웃다]")
    return t


def garden(rng: Random) -> Tale:
    """A seed becomes what it is the seed of, if it is watered."""
    t = Tale.begun(rng)
    t.cast("a")
    t.row(
        "seed colour plant where",
        "해바라기, 노란, 꽃, 마당",
        "토마토, 빨간, 열매, 화분",
        "나팔꽃, 보라색, 꽃, 담 밑",
        "딸기, 빨간, 열매, 텃밭",
        "고추, 빨간, 열매, 텃밭",
        "봉숭아, 분홍색, 꽃, 화분",
        "호박, 노란, 꽃, 텃밭",
    )
    t.choose("giver", "할머니, 할아버지, 선생님, 이모")
    t.say("봄에 {giver:이} {a}에게 {seed} 씨앗을 [주시다]", "{a:은} {giver}께 {seed} 씨앗을 [받다]")
    t.say("{a:은} 씨앗을 {where}에 [심다]", "{a:은} {where}에 구멍을 파고 씨앗을 [넣다]")
    if t.chance(0.65):
        t.say("{a:은} 매일 아침 물을 [주다]", "{a:은} 하루도 빠짐없이 물을 [주다]", "{a:은} 학교에 가기 전에 꼭 물을 [주다]")
        t.say("일주일이 지나자 작은 싹이 [나오다]", "어느 날 초록색 싹이 흙을 뚫고 [올라오다]")
        t.perhaps(0.6, "{a:은} 깡충깡충 [뛰다]", "{a:은} 싹에게 이름을 [지어 주다]", "싹은 햇볕을 받으며 쑥쑥 [자라다]")
        t.say(
            "여름이 되자 {colour} {plant:이} [열리다]"
            if t.words["plant"] == "열매"
            else "여름이 되자 {colour} {plant:이} [피다]"
        )
        t.say("{a:은} 제일 먼저 {giver}께 [보여 드리다]", "{giver:이} 보시고 참 잘 키웠다고 [칭찬하시다]")
        t.perhaps(0.6, "가을에는 씨앗을 받아서 친구들에게 [나누어 주다]", "{a:은} 내년에도 {seed:을} 심기로 [하다]")
    else:
        t.say("하지만 {a:은} 물을 주는 것을 자꾸 [잊다]", "{a:은} 노느라고 물을 주지 [않다]")
        t.say("한 달이 지나도 싹은 나오지 [않다]", "겨우 나온 싹이 [시들다]")
        t.say("{a:은} {giver}께 [여쭈어보다]", "{a:은} 속이 상해서 {giver:을} [찾아가다]")
        t.say("{giver:은} 물과 햇볕이 있어야 한다고 [말씀하시다]", '"매일 물을 주어야 한단다." {giver:이} [말씀하시다]')
        t.say("그날부터 {a:은} 매일 물을 [주다]", "{a:은} 새 씨앗을 심고 정성껏 [돌보다]")
        t.say(
            "마침내 {where}에 {colour} {plant:이} [열리다]"
            if t.words["plant"] == "열매"
            else "마침내 {where}에 {colour} {plant:이} [피다]"
        )
    return t


def cooking(rng: Random) -> Tale:
    """One ingredient is missing; it is fetched, and the dish is made of it."""
    t = Tale.begun(rng)
    t.cast("a")
    t.row(
        "dish one two three",
        "김치찌개, 김치, 두부, 돼지고기",
        "된장찌개, 된장, 호박, 두부",
        "비빔밥, 밥, 나물, 달걀",
        "김밥, 밥, 김, 단무지",
        "떡국, 떡, 달걀, 파",
        "미역국, 미역, 소고기, 마늘",
        "카레, 감자, 당근, 양파",
        "계란말이, 달걀, 당근, 파",
        "잡채, 당면, 시금치, 버섯",
        "떡볶이, 떡, 고추장, 어묵",
        "부침개, 밀가루, 부추, 오징어",
    )
    t.choose("who", "어머니, 아버지, 할머니, 동생, 이모")
    elder = t.words["who"] != "동생"
    t.say(
        "{a:은} {who:을} 위해 {dish:을} 만들기로 [하다]",
        "오늘 저녁에 {a:은} {dish:을} [만들다]",
        "{who:이} {dish:을} 먹고 싶다고 " + ("[하시다]" if elder else "[하다]"),
    )
    t.say("{dish}에는 {one:과} {two:과} {three:이} [필요하다]", "부엌에는 {one:과} {two:이} [있다]")
    t.say(
        "그런데 냉장고에 {three:이} [없다]",
        "하지만 아무리 찾아도 {three:이} 보이지 [않다]",
        "마침 {three:이} 다 떨어지고 [없다]",
    )
    t.say(
        "{a:은} 가게에 가서 {three:을} [사 오다]",
        "{a:은} 옆집에서 {three:을} [얻어 오다]",
        "{a:은} 급히 시장에 가서 {three:을} [사다]",
    )
    t.perhaps(
        0.6,
        "먼저 {one:을} 준비하고 {two:을} 깨끗이 [씻다]"
        if t.words["two"] in ("호박", "나물", "파", "당근", "시금치", "부추")
        else "먼저 {one:과} {two:을} [준비하다]",
        "{a:은} 조심조심 칼을 [쓰다]",
    )
    t.say("마지막으로 {three:을} [넣다]", "{three:까지} 넣으니 맛있는 냄새가 [나다]")
    good = t.chance(0.65)
    t.say(
        *(
            ("{dish:이} 아주 맛있게 [되다]", "{who:은} {dish:을} 두 그릇이나 " + ("[드시다]" if elder else "[먹다]"))
            if good
            else (
                "그런데 소금을 너무 많이 넣어서 {dish:이} [짜다]",
                "아쉽게도 {dish:이} 조금 [타다]"
                if t.words["dish"] in ("부침개", "계란말이", "카레", "잡채")
                else "아쉽게도 {dish:이} 너무 [싱겁다]",
            )
        )
    )
    if "그릇" in t.lines[-1] and t.words["dish"] in ("김밥", "부침개", "계란말이"):
        t.lines[-1] = t.lines[-1].replace("그릇", "접시")
    t.say(
        *(
            ("{a:은} 뿌듯해서 [웃다]", "다음에는 {dish:을} 더 많이 만들기로 [하다]")
            if good
            else (
                "그래도 {who:은} 맛있다고 " + ("[하시다]" if elder else "[하다]"),
                "{a:은} 다음에는 더 잘 만들겠다고 [다짐하다]",
            )
        )
    )
    return t


def pet(rng: Random) -> Tale:
    """A stray animal gets a home and a name."""
    t = Tale.begun(rng)
    t.cast("a")
    t.row("kind sound food", "고양이, 야옹, 생선", "강아지, 멍멍, 뼈다귀", "고양이, 야옹, 멸치", "강아지, 멍멍, 고기")
    t.row(
        "colour name",
        "하얀, 눈송이",
        "까만, 까미",
        "노란, 호박이",
        "누런, 보리",
        "얼룩덜룩한, 점박이",
        "하얀, 두부",
        "까만, 콩이",
        "갈색, 초코",
    )
    t.choose("place", "골목, 공원, 시장, 다리 밑, 학교 앞, 놀이터")
    t.row(
        "weather state",
        "비 오는, 흠뻑 젖어",
        "눈 오는, 오들오들 떨고",
        "추운, 오들오들 떨고",
        "더운, 목이 말라 헐떡이고",
        "바람 부는, 상자 속에 웅크리고",
    )
    t.say(
        "{weather} 날 {a:은} {place}에서 {colour} {kind:을} [만나다]",
        "{weather} 날 {a:은} {place}에 혼자 있는 {colour} {kind:을} [보다]",
    )
    t.say("{kind:은} {state} [있다]")
    t.say('"{sound}!" {kind:이} 작은 소리로 [울다]', "{a:이} 손을 내밀자 {kind:이} [다가오다]")
    t.say("{a:은} {kind:을} 집으로 [데려오다]", "{a:은} {kind:을} 안고 집에 [오다]")
    t.say("어머니는 처음에 안 된다고 [하시다]", "어머니도 {kind:을} 보고 [웃으시다]")
    t.say("{a:은} 잘 돌보겠다고 [약속하다]", "{a:은} 매일 밥을 주겠다고 [말하다]")
    if "안 된다고" in t.lines[-2]:
        t.say("그러자 어머니도 [허락하시다]", "어머니는 한참 생각하다가 고개를 [끄덕이시다]")
    t.say("{kind}의 이름은 {name:으로} [정하다]", "{a:은} {kind:을} {name:이라고} 부르기로 [하다]")
    t.say("{name:은} {food:을} 제일 [좋아하다]", "{a:이} {food:을} 주자 {name:은} 순식간에 다 [먹다]")
    t.perhaps(0.6, "{name:은} 밤마다 {a}의 옆에서 [자다]", "{a:이} 학교에서 오면 {name:이} 제일 먼저 [달려오다]")
    t.say("이제 {name:은} 한 가족이 [되다]", "{a:과} {name:은} 제일 친한 친구가 [되다]")
    return t


HOME = (sharing, sharing, garden, cooking, pet)
