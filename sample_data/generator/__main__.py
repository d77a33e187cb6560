"""Write sample data into folders named after it: python3 -m generator ko-en reviews-ko tales-ko."""

import sys
from pathlib import Path

from . import parallel, reviews, tales

if __name__ == "__main__":
    folders = [Path(argument) for argument in sys.argv[1:]]
    if not folders or not {folder.name for folder in folders} <= {"ko-en", "reviews-ko", "tales-ko"}:
        sys.exit("usage: python3 -m generator FOLDER..., each named ko-en, reviews-ko or tales-ko")
    for folder in folders:
        if folder.name == "ko-en":
            parallel.write(folder, parallel.corpus())
        elif folder.name == "reviews-ko":
            reviews.write(folder, reviews.corpus())
        else:
            tales.write(folder, tales.corpus())
