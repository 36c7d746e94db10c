import NestlingBasics

extension OnigurumaSyntax {
    /// The class at this place. Complements that PCRE2 cannot hold inside brackets become alternatives.
    mutating func characterClass() throws(Failure) -> String {
        let (content, others, isNegated) = try classContent()
        return try union(content, others, isNegated: isNegated)
    }

    /// One character that is in `content` or that one of `others` matches, or one of which neither is true.
    private func union(_ content: String, _ others: [String], isNegated: Bool = false) throws(Failure) -> String {
        if others.isEmpty {
            guard !content.isEmpty else { throw refused("an empty class") }
            return "[\(isNegated ? "^" : "")\(content)]"
        }
        let choices = (content.isEmpty ? [] : ["[\(content)]"]) + others
        let any = choices.count == 1 ? choices[0] : "(?:\(choices.joined(separator: "|")))"
        return isNegated ? "(?:(?!\(any))(?s:.))" : any
    }

    private mutating func classContent(
        depth: Int = 0
    ) throws(Failure) -> (content: String, others: [String], isNegated: Bool) {
        guard depth < 32 else { throw refused("a class nested more than 32 deep") }
        position += 1
        var isNegated = false
        if peek() == "^" {
            isNegated = true
            position += 1
        }
        var content = ""
        var others: [String] = []
        // What the operands of && before this one match, each looked for ahead of the last.
        var operands = ""
        var isFirst = true
        while let scalar = peek() {
            if scalar == "]", !isFirst {
                position += 1
                if operands.isEmpty { return (content, others, isNegated) }
                return ("", ["(?:\(operands)\(try union(content, others)))"], isNegated)
            }
            isFirst = false
            if looking(at: "&&") {
                position += 2
                operands += "(?=\(try union(content, others)))"
                (content, others) = ("", [])
                continue
            }
            switch scalar {
            case "[":
                if looking(at: "[:"), let named = posixBracket() {
                    if let text = named.inClass { content += text } else { others.append(named.alone) }
                    continue
                }
                let inner = try classContent(depth: depth + 1)
                if inner.isNegated {
                    others.append(try union(inner.content, inner.others, isNegated: true))
                } else {
                    content += inner.content
                    others += inner.others
                }
            case "\\":
                guard let next = peek(1) else { throw refused("a backslash at the end") }
                position += 2
                switch next {
                case "w": content += OnigurumaProperty.word
                case "W": others.append("[^\(OnigurumaProperty.word)]")
                case "s": content += Self.space
                case "S": content += Self.notSpace
                case "d": content += Self.digit
                case "D": others.append("[^\(Self.digit)]")
                case "h": content += Self.hexadecimal
                case "H": others.append("[^\(Self.hexadecimal)]")
                case "b": content += "\\x{8}"
                case "p", "P":
                    let property = try property(next == "P")
                    if let text = property.inClass { content += text } else { others.append(property.alone) }
                case "1"..."9": throw refused("an octal number in a class")
                default: content += try character(next)
                }
            case "]":
                content += "\\]"
                position += 1
            case "^":
                content += "\\^"
                position += 1
            default:
                content.unicodeScalars.append(scalar)
                position += 1
            }
        }
        throw refused("a class without a closing bracket")
    }

    /// `[:name:]` or `[:^name:]` at this place.
    private mutating func posixBracket() -> (alone: String, inClass: String?)? {
        var ahead = 2
        var name = ""
        let isNegated = peek(ahead) == "^"
        if isNegated { ahead += 1 }
        while let scalar = peek(ahead), ("a"..."z").contains(scalar) {
            name.unicodeScalars.append(scalar)
            ahead += 1
        }
        guard peek(ahead) == ":", peek(ahead + 1) == "]", let content = OnigurumaProperty.posix[name] else {
            return nil
        }
        position += ahead + 2
        return isNegated ? ("[^\(content)]", nil) : ("[\(content)]", content)
    }
}
