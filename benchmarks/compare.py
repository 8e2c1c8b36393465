"""`python -m benchmarks compare OLD NEW`: what changed between two reports, beside the noise of each."""

from benchmarks.report import read_json

# what is compared: the key of a value, the key of its noise if it has one, what the column is called, its form
TIME = ("microseconds", "spread", "us/step", ".1f")
TO_NUMPY = ("ratio_to_numpy", "spread_to_numpy", "/ numpy", ".2f")
TO_TORCH = ("ratio_to_torch", "spread_to_torch", "/ torch", ".2f")
IMPORT = ("milliseconds", "spread", "ms", ".1f")
MEMORY = ("megabytes", None, "MB", ".1f")


def compare(old_path, new_path):
    """The comparison of two reports as lines of text; ReportError where one cannot be read."""
    old, new = read_json(old_path), read_json(new_path)
    lines = [f"{path}: {report['machine']['date']}, {report['rounds']} rounds" for path, report in
             ((old_path, old), (new_path, new))]  # fmt: skip
    lines += differences(old["machine"], new["machine"])
    for name, record in old["workloads"].items():
        if name in new["workloads"]:
            other = new["workloads"][name]
            title = " / now ".join(dict.fromkeys((record["title"], other["title"])))
            lines += ["", *changes(f"{name}: {title}", record["ways"], other["ways"], (TIME, TO_NUMPY, TO_TORCH))]
    if old["startup"] and new["startup"]:
        lines += ["", *changes("startup: import in a new process", old["startup"], new["startup"], (IMPORT,))]
    for name, ways in old["memory"].items():
        if name in new["memory"]:
            lines += ["", *changes(f"memory: {name}", ways, new["memory"][name], (MEMORY,))]
    for path, here, there in ((old_path, old, new), (new_path, new, old)):
        for kind, words in (("workloads", ""), ("memory", "the memory of ")):
            alone = [name for name in here[kind] if name not in there[kind]]
            lines += [f"only in {path}: {words}{', '.join(alone)}"] if alone else []
        lines += [f"only in {path}: startup"] if here["startup"] and not there["startup"] else []
    lines += ["", "* more than the noise of both runs together (half the range of the middle half of their rounds)"]
    return "\n".join(lines)


def differences(old, new):
    """A line for everything about the machines that differs, other than the date."""
    pairs = {key: (old[key], new[key]) for key in ("cpu", "cores", "threads", "system", "allocator")}
    for package in {**old["versions"], **new["versions"]}:
        pairs[package] = old["versions"].get(package), new["versions"].get(package)
    return [f"note: {key} differs: {a or 'none'}, then {b or 'none'}" for key, (a, b) in pairs.items() if a != b]


def changes(title, old, new, columns):
    """A table of the rows that both have; rows of only one are named below it."""
    head = "".join(f"{name:>12}{'new':>9}{'change':>10}{'noise':>10}" for _, _, name, _ in columns)
    lines = [title, f"  {'':18}{head}"]
    for label in old:
        if label in new:
            lines.append(f"  {label:18}" + "".join(change(old[label], new[label], column) for column in columns))
    for rows, others, word in ((old, new, "gone"), (new, old, "new")):
        lines += [f"  {label:18}{word:>12}" for label in rows if label not in others]
    return [line.rstrip() for line in lines]


def change(old, new, column):
    """One value before and after, its change with a star where that is more than noise, and the noise of each run."""
    key, noise, _, form = column
    if old[key] is None or new[key] is None:
        return " " * 41
    values = f"{format(old[key], form):>12}{format(new[key], form):>9}"
    if not old[key]:
        return f"{values:41}"
    relative, star, noises = new[key] / old[key] - 1, " ", ""
    if noise is not None:
        star = "*" if abs(relative) > old[noise] + new[noise] else " "
        noises = f"{old[noise]:.0%} {new[noise]:.0%}"
    return f"{values}{relative:>+9.1%}{star}{noises:>10}"
