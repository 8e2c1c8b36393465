"""Tables of aligned text."""


def table(header, rows, left=1):
    """Lines of equal columns: the first `left` of them aligned to the left, as words are, the others as numbers are."""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *rows)]

    def line(cells):
        aligned = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(cells, widths))]
        return "  ".join(aligned).rstrip()

    return "\n".join([line(header), "-" * len(line(["-" * w for w in widths])), *map(line, rows)])
