from families import Family


class TestReduce(Family):
    family = "reduce"
