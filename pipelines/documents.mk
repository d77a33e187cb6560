# Whole documents: a Transformer that reads and writes many sentences at a time, with attention over a window of positions.
# Each target is an artifact's manifest, which is written last, so make redoes what is missing and nothing else.
#
#   make -f pipelines/documents.mk DATA=chapters-ko-en          a folder of train.jsonl and test.jsonl, a document a line:
#                                                               {"id": "1", "ko": ["…", "…"], "en": ["…", "…"]}
#   make -f pipelines/documents.mk DATA=… MINUTES=60 WINDOW=256 CHARS=8000
#
# A model that knows single segments goes on with documents, in rows of many sizes, and for as long with segments. All three
# translate the test documents, the second in rows of so many sentences as ROW tokens hold, and are scored on whole documents.
# `one-row` scores the model of documents on each document as a single row, however long.

NLPCLI  ?= nlpcli
DATA    ?= chapters-ko-en
WORK    ?= work/documents
CHARS   ?= 3000
SIZES   ?= 6
WINDOW  ?= 128
LENGTH  ?= 2048
ROW     ?= 96
MINUTES ?= 20
LONGEST ?= 32768
BEAM    ?= 1
SRC     ?= ko
TGT     ?= en
TRAIN   ?= --config pipelines/documents.toml
SCORING ?= --metric BLEU --metric chrF2

MODELS := segments more-segments documents
WHOLE  := --document-chars 1000000000 --src $(SRC) --tgt $(TGT)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all compare one-row
all: compare

# Documents stay whole, so that no model is trained on a part of one that another is validated on.
$(WORK)/split/manifest.json:
	$(NLPCLI) data split --data $(DATA) --src $(SRC) --tgt $(TGT) --valid 2% --on-overlap drop --out $(@D) --force

$(WORK)/documents-data/manifest.json: $(WORK)/split/manifest.json
	$(NLPCLI) data prepare --data $(<D) --document-chars $(CHARS) --resolutions $(SIZES) --out $(@D) --force

$(WORK)/segments-data/manifest.json: $(WORK)/split/manifest.json
	$(NLPCLI) data prepare --data $(<D) --out $(@D) --force

# One vocabulary for both, that has the sign between segments.
$(WORK)/tokenizer/manifest.json: $(WORK)/documents-data/manifest.json
	$(NLPCLI) tokenize train --data $(<D) --vocab-size 8000 --out $(@D) --force

$(WORK)/%-dataset/manifest.json: $(WORK)/%-data/manifest.json $(WORK)/tokenizer/manifest.json
	$(NLPCLI) tokenize dataset --data $(<D) --tokenizer $(WORK)/tokenizer --out $(@D) --force

$(WORK)/segments/manifest.json: $(WORK)/segments-dataset/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --max-minutes $(MINUTES) --resume auto

$(WORK)/documents/manifest.json: $(WORK)/documents-dataset/manifest.json $(WORK)/segments/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --from-model $(WORK)/segments \
	  --max-length $(LENGTH) --attention-window $(WINDOW) --max-minutes $(MINUTES) --resume auto

$(WORK)/more-segments/manifest.json: $(WORK)/segments-dataset/manifest.json $(WORK)/segments/manifest.json
	$(NLPCLI) train transformer --data $(<D) --out $(@D) $(TRAIN) --from-model $(WORK)/segments \
	  --max-minutes $(MINUTES) --resume auto

# The translations have the form of the data: a document a line.
$(WORK)/documents-translated/test.jsonl: IN_ROWS = --context document --max-input-tokens $(ROW)
$(MODELS:%=$(WORK)/%-translated/test.jsonl): $(WORK)/%-translated/test.jsonl: $(WORK)/%/manifest.json
	$(NLPCLI) translate $(DATA)/test.jsonl --model $(<D) --beam-size $(BEAM) $(IN_ROWS) --out $@ --issues $(@D)/issues.jsonl

$(WORK)/%-whole/manifest.json: $(WORK)/%-translated/test.jsonl
	$(NLPCLI) data prepare --data $(<D) $(WHOLE) --out $(@D) --force

$(WORK)/test-whole/manifest.json: $(WORK)/split/manifest.json
	$(NLPCLI) data prepare --data $(<D) $(WHOLE) --out $(@D) --force

$(WORK)/one-row/manifest.json: $(WORK)/documents/manifest.json $(WORK)/test-whole/manifest.json
	$(NLPCLI) evaluate --model $(<D) --data $(WORK)/test-whole --max-input-tokens $(LONGEST) $(SCORING) --out $(@D) --force

one-row: $(WORK)/one-row/manifest.json

compare: $(WORK)/test-whole/manifest.json $(MODELS:%=$(WORK)/%-whole/manifest.json)
	@for model in $(MODELS); do echo "$$model:"; \
	  $(NLPCLI) evaluate --hyp $(WORK)/$$model-whole/test.$(TGT) --ref $(WORK)/test-whole/test.$(TGT) $(SCORING); done
