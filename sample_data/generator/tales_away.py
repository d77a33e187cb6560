"""Tales of journeys and of the night: what happens first decides what happens next."""

from random import Random

from .tale import Tale


def trip(rng: Random) -> Tale:
    """A journey: what one sees depends on where one goes, and what one brings home too."""
    t = Tale.begun(rng)
    t.cast("a")
    t.row("place sight gift ride station", *SIGHTS)
    t.choose("who", "할머니, 아버지, 어머니, 삼촌, 이모")
    t.choose("season", "봄, 여름, 가을, 겨울")
    t.say(
        "{season} 방학에 {a:은} {who:과} {place:으로} 여행을 [가다]"
        if t.words["season"] in "여름겨울"
        else "{season:이} 되자 {a:은} {who:과} {place:으로} 여행을 [가다]"
    )
    t.say("둘은 아침 일찍 {station}에 [가다]", "{station:은} 사람들로 [붐비다]")
    t.say("{ride:을} 타고 한참을 [가다]", "{a:은} {ride}에서 창밖을 [내다보다]", "{a:은} {ride}에서 깜빡 [잠들다]")
    t.say("{place}에 도착하자 {sight:이} 눈앞에 [펼쳐지다]", "둘은 제일 먼저 {sight:을} [구경하다]")
    if t.chance(0.4):
        t.say("그런데 갑자기 비가 [오다]", "그런데 사진기가 [고장 나다]")
        if "비가" in t.lines[-1]:
            t.say("둘은 처마 밑에서 비가 그치기를 [기다리다]", "{who:이} 우산을 [사시다]")
            t.perhaps(0.6, "비가 그치자 {sight} 위로 무지개가 [뜨다]")
        else:
            t.say("{a:은} 사진 대신 그림을 [그리다]", "그래서 {a:은} {sight:을} 마음에 [담다]")
    else:
        t.say("{a:은} {sight} 앞에서 사진을 [찍다]", "{who:이} {sight}에 얽힌 이야기를 [들려주시다]")
    t.say("{a:은} 친구에게 줄 {gift:을} [사다]", "돌아오는 길에 {who:이} {gift:을} [사 주시다]")
    t.perhaps(
        0.7,
        "다음 날 {a:은} 친구들과 {gift:을} [나누어 먹다]"
        if t.words["gift"] in EDIBLE
        else "{a:은} {gift:을} 책상 위에 [올려놓다]",
    )
    t.perhaps(0.5, "{a:은} {place}에 또 가고 [싶다]", "{a:은} {sight:을} 오래 [기억하다]")
    return t


# A place, what there is to see, what one brings home, and how one gets there.
EDIBLE = ("귤", "호두과자", "오징어", "황남빵", "초콜릿", "엿")
SIGHTS = (
    *("제주도, 폭포, 귤, 비행기, 공항", "제주도, 한라산, 돌하르방 인형, 비행기, 공항", "경주, 불국사, 황남빵, 기차, 기차역"),
    *(
        "경주, 첨성대, 엽서, 버스, 버스 터미널",
        "부산, 바다, 오징어, 기차, 기차역",
        "강릉, 경포 호수, 조개 목걸이, 기차, 기차역",
    ),
    *(
        "전주, 한옥 마을, 부채, 버스, 버스 터미널",
        "천안, 독립기념관, 호두과자, 기차, 기차역",
        "속초, 설악산, 오징어, 버스, 버스 터미널",
    ),
    *(
        "서울, 경복궁, 엽서, 기차, 기차역",
        "여수, 푸른 바다, 조개 목걸이, 기차, 기차역",
        "울릉도, 파란 바다, 엿, 배, 항구",
        "안동, 하회마을, 탈, 버스, 버스 터미널",
    ),
)


def night(rng: Random) -> Tale:
    """A frightening noise in the night turns out to be something small."""
    t = Tale.begun(rng)
    t.cast("a")
    t.row("noise cause where", *NOISES)
    t.choose("light", "손전등, 촛불, 등불")
    t.choose("with", "동생, 곰 인형, 강아지")
    t.say(
        "어느 날 밤, {a:은} {noise} 소리에 잠이 [깨다]",
        "모두 잠든 밤에 {where}에서 {noise} 소리가 [나다]",
        "바람 부는 밤에 {a:은} 이상한 소리를 [듣다]",
    )
    t.say("{a:은} 무서워서 이불을 [뒤집어쓰다]", "{a:은} 도깨비가 온 줄 [알다]", "{a}의 가슴이 콩닥콩닥 [뛰다]")
    t.say("소리는 {where}에서 [들려오다]", "조금 있으니 {where} 쪽에서 또 {noise} 소리가 [나다]")
    t.say("{a:은} {light:을} 들고 살금살금 [걸어가다]", "{a:은} {with:을} 꼭 안고 {where:으로} [가다]")
    t.say('"거기 누구야?" {a:이} 떨리는 목소리로 [묻다]', "{a:은} 용기를 내어 가까이 [다가가다]")
    t.say("그것은 바로 {cause:이었다}".replace("{cause:이었다}", f"[={t.words['cause']}]"), "{where}에는 {cause:이} [있다]")
    t.say("{a:은} 그만 웃음을 [터뜨리다]", "{a:은} 마음이 [놓이다]")
    t.say(
        "{a:은} 다시 잠자리에 들어 푹 [자다]",
        "아침에 {a:은} 어머니께 {cause} 이야기를 [하다]",
        "그 뒤로 {a:은} {noise} 소리가 무섭지 [않다]",
    )
    return t


# A noise, what makes it, and where.
NOISES = (
    *(
        "바스락, 생쥐 한 마리, 부엌",
        "덜컹덜컹, 바람에 흔들리는 창문, 마루",
        "똑똑, 물이 새는 수도꼭지, 부엌",
        "쿵쿵, 벽을 차며 자는 형, 옆방",
    ),
    *(
        "야옹, 길을 잃은 고양이, 마당",
        "사각사각, 사과를 먹는 누나, 부엌",
        "드르렁, 코를 고는 삼촌, 거실",
        "윙윙, 끄지 않은 선풍기, 거실",
    ),
    *("부스럭, 쓰레기를 뒤지는 고양이, 마당", "딱딱, 나무를 쪼는 딱따구리, 마당"),
)


AWAY = (trip, night)
