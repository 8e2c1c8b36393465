from families import Family


class TestIndex(Family):
    family = "index"
