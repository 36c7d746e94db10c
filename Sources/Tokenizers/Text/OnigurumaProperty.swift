/// The properties that Oniguruma knows by name, as parts of a PCRE2 class.
///
/// What they hold is that of the reference's Unicode, as far as ``PropertyAdditions`` says what PCRE2 may lack.
enum OnigurumaProperty {
    /// `[[:word:]]`.
    static let word = [alphabetic, category("M"), category("Nd"), category("Pc")].joined()
    private static let alphabetic = #"\p{Alphabetic}"# + additions(["alphabetic"])

    /// POSIX classes. Source: `doc/RE` of kkos/oniguruma; punctuation includes symbols.
    static let posix: [String: String] = [
        "alnum": alphabetic + category("Nd"), "alpha": alphabetic, "ascii": #"\x{0}-\x{7F}"#,
        "blank": #"\p{Zs}\x{9}"#, "cntrl": #"\p{Cc}"#, "digit": category("Nd"),
        "lower": #"\p{Lowercase}"# + additions(["lowercase"]), "punct": category("P") + category("S"),
        "space": OnigurumaSyntax.space, "upper": #"\p{Uppercase}"# + additions(["uppercase"]), "word": word,
        "xdigit": "0-9A-Fa-f",
    ]

    private static let categories: [String: String] = [
        "letter": "L", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt", "casedletter": "L&",
        "modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "nonspacingmark": "Mn", "spacingmark": "Mc",
        "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "letternumber": "Nl", "othernumber": "No",
        "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd", "openpunctuation": "Ps",
        "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf", "otherpunctuation": "Po",
        "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk", "othersymbol": "So",
        "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp", "other": "C",
        "control": "Cc", "format": "Cf", "surrogate": "Cs", "privateuse": "Co", "unassigned": "Cn",
    ]

    private static let binary: Set<String> = [
        "alphabetic", "lowercase", "uppercase", "emoji", "emojipresentation", "emojimodifier", "emojimodifierbase",
        "emojicomponent", "extendedpictographic", "ideographic", "idstart", "idcontinue", "xidstart", "xidcontinue",
        "math", "hexdigit", "diacritic", "extender", "dash", "quotationmark", "cased", "caseignorable",
        "variationselector", "regionalindicator", "unifiedideograph", "radical", "terminalpunctuation",
        "sentenceterminal", "defaultignorablecodepoint", "joincontrol", "patternwhitespace", "patternsyntax",
    ]

    /// The ranges that PCRE2 may lack for any of `names`, as part of a class.
    private static func additions(_ names: [String]) -> String {
        var text = ""
        for name in names {
            let ranges = PropertyAdditions.all[name] ?? []
            for position in stride(from: 0, to: ranges.count - 1, by: 2) {
                let (first, last) = (ranges[position], ranges[position + 1])
                text += "\\x{\(String(first, radix: 16))}"
                if last > first { text += "-\\x{\(String(last, radix: 16))}" }
            }
        }
        return text
    }

    /// A general category other than C and Cn, or the first letter of several.
    private static func category(_ name: String) -> String {
        let parts = PropertyAdditions.all.keys.filter { $0.utf8.count == 2 && $0.hasPrefix(name.lowercased()) }
        return "\\p{\(name)}" + additions(parts.sorted())
    }

    /// The categories that lose members when code points are assigned: the name in braces and what is lost.
    static func unassigned(_ name: String) -> (base: String, lost: String)? {
        let category = category(named: plain(name))
        guard category == "C" || category == "Cn" else { return nil }
        let assigned = PropertyAdditions.all.keys.filter { $0.utf8.count == 2 && !(category == "C" && $0 == "cf") }
        return ("{\(category ?? "")}", additions(assigned.sorted()))
    }

    private static func plain(_ name: String) -> String {
        let kept = name.unicodeScalars.filter { $0 != "_" && $0 != "-" && $0 != " " }
        return String(String.UnicodeScalarView(kept)).lowercased()
    }

    private static func category(named plain: String) -> String? {
        if let category = categories[plain] { return category }
        let abbreviation = plain.prefix(1).uppercased() + plain.dropFirst()
        return categories.values.contains(abbreviation) ? abbreviation : nil
    }

    /// `name` as part of a PCRE2 class, or nil if it cannot be said so.
    static func content(_ name: String) -> String? {
        let plain = plain(name)
        guard !plain.isEmpty, plain.unicodeScalars.allSatisfy({ ("a"..."z").contains($0) || $0 == "&" }) else {
            return nil
        }
        if let content = posix[plain] { return content }
        if plain == "whitespace" { return OnigurumaSyntax.space }
        if plain == "any" { return #"\x{0}-\x{10FFFF}"# }
        if plain == "graph" || plain == "print" || plain == "assigned" { return nil }
        if let known = category(named: plain) { return known == "C" || known == "Cn" ? nil : category(known) }
        return "\\p{\(binary.contains(plain) ? "" : "sc:")\(plain)}" + additions([plain])
    }
}
