def test_x(learnt):
    from nlpcli.decoding.translator import Translator
    t = Translator.load(learnt.path, device="cpu")
    print(learnt)
    import time
    for l in [*learnt.src, "나는 학교에 갑니다.", "", "  ", "😀 좋아요", "가나다" * 1000]:
        a=time.time()
        r = t.translate([l])
        print(time.time()-a, repr(l[:30]), [x._replace(ids=len(x.ids)) for x in r[0].hypotheses], r[0].texts and r[0].texts[0][:80], r[0].unknown)
