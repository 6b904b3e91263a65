# Input: "file:line:#include …". Prints every include that layers.txt does not allow; fails if there was one.
BEGIN {
    while ((getline row < layers) > 0) {
        n = split(row, word, " ")
        if (word[1] == "layer") layer[word[3]] = word[2]
        if (word[1] == "file") own_layer[word[3]] = word[2]
        if (word[1] == "library") { header[++libraries] = word[2]; place[libraries] = word[3] }
    }
    if (libraries == 0) { print "no rules in " layers; bad = 1; exit 1 }
}

function layer_of(file, folder) {
    if (file in own_layer) return own_layer[file]
    folder = file
    if (!sub(/\/.*/, "", folder)) return 99 # main.c and the like stand above everything
    if (!(folder in layer)) { wrong("folder " folder " is not in layers.txt"); return 99 }
    return layer[folder]
}

function wrong(why) {
    print file ":" line ": " why
    bad = 1
}

function folder_of(path) {
    return sub(/\/.*/, "", path) ? path : ""
}

function check_own(included, mine, theirs) {
    if (index(included, "/") == 0) return # beside the file; the compiler finds it or not
    if (folder_of(included) == folder_of(file)) return
    mine = layer_of(file)
    theirs = layer_of(included)
    if (theirs + 0 >= mine + 0) wrong("includes " included ", which is not below it")
}

function check_library(included, i) {
    for (i = 1; i <= libraries; i++) {
        if (included ~ header[i] && file !~ place[i]) wrong("includes <" included ">, a library of another folder")
    }
}

{
    split($0, part, ":")
    file = part[1]
    line = part[2]
    total++
    if (match($0, /"[^"]+"/)) {
        included = substr($0, RSTART + 1, RLENGTH - 2)
        check_own(included)
        check_library(included)
    } else if (match($0, /<[^>]+>/)) {
        check_library(substr($0, RSTART + 1, RLENGTH - 2))
    }
}

END {
    if (total == 0 && !bad) { print "no include was seen"; bad = 1 }
    exit bad
}
