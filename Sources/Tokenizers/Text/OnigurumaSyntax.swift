import NestlingBasics

/// Writes a regular expression in Oniguruma's syntax, which the reference uses, in PCRE2's.
///
/// Most of it is the same. Classes like `\w` and `\s` are spelled out, because the two differ on their members; `\h` is a
/// hexadecimal digit, `(?m)` lets the dot match newlines, `{2}+` repeats instead of being possessive, an option such as
/// `(?i)` holds for the alternatives behind it too. What has no counterpart is refused by name.
struct OnigurumaSyntax {
    /// White_Space.
    static let space =
        #"\x{9}-\x{D}\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}"#
    static let notSpace =
        #"\x{0}-\x{8}\x{E}-\x{1F}\x{21}-\x{84}\x{86}-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF}\x{200B}-\x{2027}"#
        + #"\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF}\x{3001}-\x{10FFFF}"#
    /// `\w` outside of classes, where it has six superscripts and fractions more than inside.
    private static let word = OnigurumaProperty.word + #"\x{B2}\x{B3}\x{B9}\x{BC}-\x{BE}"#
    static let digit = OnigurumaProperty.content("Nd") ?? #"\p{Nd}"#
    static let hexadecimal = "0-9A-Fa-f"

    private let source: [Unicode.Scalar]
    private let path: String
    var position = 0
    private var output: [UInt8] = []
    /// Where the thing that a quantifier would repeat begins in the output, or nil.
    private var atom: Int?
    /// Whether that thing has a quantifier already.
    private var isRepeated = false
    /// Per open group: where it begins, and how many option groups inside it close with it.
    private var groups: [(start: Int, options: Int)] = []
    private var outerOptions = 0

    /// `pattern`, found at `path`, as bytes for PCRE2.
    static func translate(_ pattern: String, path: String) throws(Failure) -> [UInt8] {
        var translator = OnigurumaSyntax(source: Array(pattern.unicodeScalars), path: path)
        return try translator.run()
    }

    private init(source: [Unicode.Scalar], path: String) {
        self.source = source
        self.path = path
    }

    func refused(_ what: String) -> Failure {
        Failure(.unsupported, "\(path): \(what) in a regular expression is not supported")
    }

    func peek(_ ahead: Int = 0) -> Unicode.Scalar? {
        position + ahead < source.count ? source[position + ahead] : nil
    }

    func looking(at text: String) -> Bool {
        let wanted = Array(text.unicodeScalars)
        return position + wanted.count <= source.count
            && source[position..<position + wanted.count].elementsEqual(wanted)
    }

    private mutating func write(_ scalar: Unicode.Scalar) { UTF8Text.append(scalar.value, to: &output) }

    private mutating func write(_ text: String) { output.append(contentsOf: text.utf8) }

    private mutating func writeAtom(_ text: String) {
        atom = output.count
        isRepeated = false
        write(text)
    }

    private mutating func run() throws(Failure) -> [UInt8] {
        while let scalar = peek() {
            // PCRE2 refuses far shorter ones; what is short here may be spelled out at length.
            guard output.count < 1 << 20 else { throw refused("a megabyte") }
            switch scalar {
            case "\\": try escape()
            case "[": writeAtom(try characterClass())
            case "(": try open()
            case ")": close()
            case "*", "+", "?": try quantifier()
            case "{":
                if let interval = interval() {
                    try repeated(interval.text, interval.length, isInterval: true)
                } else {
                    position += 1
                    writeAtom("\\{")
                }
            case "|", "^", "$":
                position += 1
                atom = nil
                write(scalar)
            default:
                position += 1
                atom = output.count
                isRepeated = false
                write(scalar)
            }
        }
        write(String(repeating: ")", count: outerOptions))
        return output
    }

    // MARK: - Groups

    private mutating func open() throws(Failure) {
        let start = output.count
        guard peek(1) == "?" else {
            position += 1
            groups.append((start, 0))
            write("(")
            atom = nil
            return
        }
        if looking(at: "(?#") {
            while let scalar = peek(), scalar != ")" { position += scalar == "\\" ? 2 : 1 }
            position += 1
            return
        }
        for plain in ["(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"] where looking(at: plain) {
            position += plain.unicodeScalars.count
            groups.append((start, 0))
            write(plain)
            atom = nil
            return
        }
        if looking(at: "(?<") {
            groups.append((start, 0))
            while let scalar = peek() {
                position += 1
                write(scalar)
                if scalar == ">" { break }
            }
            atom = nil
            return
        }
        var ahead = 2
        var options = ""
        while let scalar = peek(ahead), "imx-".unicodeScalars.contains(scalar) {
            options.unicodeScalars.append(scalar == "m" ? "s" : scalar)
            ahead += 1
        }
        guard let end = peek(ahead), end == ")" || end == ":" else {
            throw refused("\"(?\(peek(2).map(String.init) ?? "")\"")
        }
        position += ahead + 1
        write("(?\(options):")
        atom = nil
        if end == ":" {
            groups.append((start, 0))
        } else if groups.isEmpty {
            outerOptions += 1
        } else {
            groups[groups.count - 1].options += 1
        }
    }

    private mutating func close() {
        position += 1
        guard let group = groups.popLast() else {
            write(")")
            return
        }
        write(String(repeating: ")", count: group.options + 1))
        atom = group.start
        isRepeated = false
    }

    // MARK: - Quantifiers

    private mutating func quantifier() throws(Failure) {
        guard let scalar = peek() else { return }
        try repeated(String(scalar), 1, isInterval: false)
    }

    /// `{2}`, `{2,}`, `{,3}` or `{2,3}` at this place, as PCRE2 writes it.
    private func interval() -> (text: String, length: Int)? {
        var ahead = 1
        var (low, high) = ("", "")
        var hasComma = false
        while let scalar = peek(ahead), scalar != "}" {
            if ("0"..."9").contains(scalar) {
                if hasComma { high.unicodeScalars.append(scalar) } else { low.unicodeScalars.append(scalar) }
            } else if scalar == ",", !hasComma {
                hasComma = true
            } else {
                return nil
            }
            ahead += 1
        }
        guard peek(ahead) == "}", !(low.isEmpty && high.isEmpty) else { return nil }
        return ("{\(low.isEmpty ? "0" : low)\(hasComma ? "," : "")\(high)}", ahead + 1)
    }

    private mutating func repeated(_ text: String, _ length: Int, isInterval: Bool) throws(Failure) {
        position += length
        guard let start = atom else {
            // PCRE2 says what is wrong with it.
            write(text)
            return
        }
        if isRepeated {
            output.insert(contentsOf: "(?:".utf8, at: start)
            write(")")
        }
        write(text)
        isRepeated = true
        if peek() == "?" || (!isInterval && peek() == "+") {
            if isInterval, !text.contains(",") { return }
            if let suffix = peek() { write(suffix) }
            position += 1
        }
    }

    // MARK: - Escapes

    private mutating func escape() throws(Failure) {
        guard let next = peek(1) else { throw refused("a backslash at the end") }
        position += 2
        switch next {
        case "w": writeAtom("[\(Self.word)]")
        case "W": writeAtom("[^\(Self.word)]")
        case "s": writeAtom("[\(Self.space)]")
        case "S": writeAtom("[^\(Self.space)]")
        case "d": writeAtom("[\(Self.digit)]")
        case "D": writeAtom("[^\(Self.digit)]")
        case "h": writeAtom("[\(Self.hexadecimal)]")
        case "H": writeAtom("[^\(Self.hexadecimal)]")
        case "O": writeAtom("(?s:.)")
        case "b": writeAtom("(?:(?<=[\(Self.word)])(?![\(Self.word)])|(?<![\(Self.word)])(?=[\(Self.word)]))")
        case "B": writeAtom("(?:(?<=[\(Self.word)])(?=[\(Self.word)])|(?<![\(Self.word)])(?![\(Self.word)]))")
        case "p", "P": writeAtom(try property(next == "P").alone)
        case "R", "N": writeAtom("\\\(next)")
        case "X": throw refused("\"\\X\"")
        case "A", "Z", "z", "G", "K":
            write("\\\(next)")
            atom = nil
        case "k", "g":
            atom = output.count
            isRepeated = false
            write("\\\(next)")
            if peek() == "<" {
                while let scalar = peek() {
                    position += 1
                    write(scalar)
                    if scalar == ">" { break }
                }
            }
        case "1"..."9": writeAtom("\\\(next)")
        default: writeAtom(try character(next))
        }
    }

    /// A single escaped character, `next` being the one behind the backslash.
    mutating func character(_ next: Unicode.Scalar) throws(Failure) -> String {
        switch next {
        case "a", "e", "f", "n", "r", "t": return "\\\(next)"
        case "v": return "\\x{B}"
        case "0":
            var digits = "0"
            while digits.count < 3, let digit = peek(), ("0"..."7").contains(digit) {
                digits.unicodeScalars.append(digit)
                position += 1
            }
            return "\\o{\(digits)}"
        case "u":
            let digits = hexadecimal(4)
            guard digits.count == 4 else { throw refused("an incomplete \\u") }
            return "\\x{\(digits)}"
        case "x":
            if peek() == "{" {
                position += 1
                let digits = hexadecimal(8)
                guard peek() == "}", !digits.isEmpty else { throw refused("a list of code points in \\x{}") }
                position += 1
                return "\\x{\(digits)}"
            }
            let digits = hexadecimal(2)
            guard let value = UInt32(digits.isEmpty ? "0" : digits, radix: 16), value < 0x80 else {
                throw refused("a single byte \\x\(digits)")
            }
            return "\\x{\(digits.isEmpty ? "0" : digits)}"
        case "c", "C", "M": throw refused("\"\\\(next)\"")
        default:
            let isLetter = ("a"..."z").contains(next) || ("A"..."Z").contains(next)
            return next.value < 0x80 && !isLetter ? "\\\(next)" : "\(next)"
        }
    }

    private mutating func hexadecimal(_ most: Int) -> String {
        var digits = ""
        while digits.count < most, let digit = peek(), digit.properties.isASCIIHexDigit {
            digits.unicodeScalars.append(digit)
            position += 1
        }
        return digits
    }

    /// The property behind `\p` or `\P`: as a pattern of its own, and as a part of a class if it can be one.
    mutating func property(_ negated: Bool) throws(Failure) -> (alone: String, inClass: String?) {
        guard peek() == "{" else { throw refused("\\p without braces") }
        position += 1
        var isNegated = negated
        if peek() == "^" {
            isNegated.toggle()
            position += 1
        }
        var name = ""
        while let scalar = peek(), scalar != "}" {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard peek() == "}" else { throw refused("\\p without a closing brace") }
        position += 1
        guard let content = OnigurumaProperty.content(name) else {
            // Code points that PCRE2 may take for unassigned are cut out again.
            guard let (base, lost) = OnigurumaProperty.unassigned(name) else {
                throw refused("the property \(name.quoted)")
            }
            let others = "\\P\(base)\(lost)"
            return isNegated ? ("[\(others)]", others) : ("(?:(?![\(lost)])\\p\(base))", nil)
        }
        // One \p alone can be negated in place.
        if content.hasPrefix("\\p{"), content.firstIndex(of: "}") == content.indices.last {
            let text = isNegated ? "\\P" + content.dropFirst(2) : content
            return (text, text)
        }
        return isNegated ? ("[^\(content)]", nil) : ("[\(content)]", content)
    }
}
