extension String {
    /// The text in quotation marks, on one line and cut to about 80 characters: for messages that repeat what a file
    /// says.
    public var quoted: String {
        var result = "\""
        var count = 0
        for scalar in unicodeScalars {
            if count == 80 { return result + "...\"" }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            default:
                if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
                    result += "\\u{" + String(scalar.value, radix: 16) + "}"
                } else {
                    result.unicodeScalars.append(scalar)
                }
            }
            count += 1
        }
        return result + "\""
    }
}
