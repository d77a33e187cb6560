"""Files of every format as streams of records: what is to be translated, and all else as it stood."""
