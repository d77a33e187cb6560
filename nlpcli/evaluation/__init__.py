"""How good a translation is: scores with their signatures, by domain and by length."""
