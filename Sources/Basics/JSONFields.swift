/// The members of a JSON object, read with types: for configuration files.
///
/// Every message names the file and the key. A member that is `null` counts as absent, because Python's configuration
/// classes write `null` for "not set".
public struct JSONFields: Sendable {
    /// The members.
    public let object: JSONObject
    /// What messages call the object: the file's name, and the way from its top to this object.
    public let name: String
    /// What kind of trouble a wrong value is: `.corrupt` for files, `.invalidArgument` for what callers pass.
    public let kind: Failure.Kind

    /// Reads `object`, which messages call `name`.
    public init(_ object: JSONObject, name: String, kind: Failure.Kind = .corrupt) {
        self.object = object
        self.name = name
        self.kind = kind
    }

    /// Reads `json`, which messages call `name`.
    /// - Throws: `kind`, if it is not an object.
    public init(_ json: JSON, name: String, kind: Failure.Kind = .corrupt) throws(Failure) {
        guard case .object(let object) = json else {
            throw Failure(kind, "\(name): expected an object, found \(json.summary)")
        }
        self.init(object, name: name, kind: kind)
    }

    /// The value of `key`; `nil` if it is absent or null.
    public subscript(key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    /// Whether `key` has a value other than null.
    public func contains(_ key: String) -> Bool { self[key] != nil }

    /// Refuses members that the reader does not know: a misspelt option must not be ignored.
    /// - Throws: `.invalidArgument` if the caller passed the object, `.unsupported` if a file did.
    public func refuseUnknownKeys(known: [String]) throws(Failure) {
        for (key, _) in object.members where !known.contains(where: { UTF8Key($0) == UTF8Key(key) }) {
            throw Failure(
                kind == .invalidArgument ? .invalidArgument : .unsupported,
                "\(name): unknown key \(key.quoted); known keys are \(known.joined(separator: ", "))")
        }
    }

    /// A failure about `key`: for what the typed readers cannot check.
    public func failure(_ key: String, _ message: String) -> Failure {
        Failure(kind, "\(name): \(key) \(message)")
    }

    // MARK: - Values that must be there, unless there is a default

    /// The whole number `key`; `8.0` counts as 8.
    public func integer(
        _ key: String, in range: ClosedRange<Int>, default fallback: Int? = nil
    ) throws(Failure) -> Int {
        try require(key, optionalInteger(key, in: range), fallback, "a whole number in \(Self.text(range))")
    }

    /// The number `key`; not-a-number is in no range, and infinity only in a range that says so.
    public func number(
        _ key: String, in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude,
        default fallback: Double? = nil
    ) throws(Failure) -> Double {
        try require(key, optionalNumber(key, in: range), fallback, "a number")
    }

    /// The boolean `key`.
    public func bool(_ key: String, default fallback: Bool? = nil) throws(Failure) -> Bool {
        try require(key, optionalBool(key), fallback, "true or false")
    }

    /// The string `key`.
    public func string(_ key: String, default fallback: String? = nil) throws(Failure) -> String {
        try require(key, optionalString(key), fallback, "a string")
    }

    /// The array of strings `key`.
    public func strings(_ key: String, default fallback: [String]? = nil) throws(Failure) -> [String] {
        try require(key, optionalStrings(key), fallback, "an array of strings")
    }

    /// The array of whole numbers `key`, each in `range`.
    public func integers(
        _ key: String, in range: ClosedRange<Int>, default fallback: [Int]? = nil
    ) throws(Failure) -> [Int] {
        try require(key, optionalIntegers(key, in: range), fallback, "an array of whole numbers in \(Self.text(range))")
    }

    /// The array of numbers `key`.
    public func numbers(_ key: String, default fallback: [Double]? = nil) throws(Failure) -> [Double] {
        try require(key, optionalNumbers(key), fallback, "an array of numbers")
    }

    /// The object `key`, to be read with types in turn.
    public func object(_ key: String) throws(Failure) -> JSONFields {
        try require(key, optionalObject(key), nil, "an object")
    }

    // MARK: - Values that may be absent or null

    /// The whole number `key`, or `nil` if it is absent or null.
    public func optionalInteger(_ key: String, in range: ClosedRange<Int>) throws(Failure) -> Int? {
        guard let value = self[key] else { return nil }
        guard let integer = value.int, range.contains(integer) else {
            throw mismatch(key, value, "a whole number in \(Self.text(range))")
        }
        return integer
    }

    /// The number `key`, or `nil` if it is absent or null.
    public func optionalNumber(
        _ key: String, in range: ClosedRange<Double> = -Double.greatestFiniteMagnitude...Double.greatestFiniteMagnitude
    ) throws(Failure) -> Double? {
        guard let value = self[key] else { return nil }
        guard let number = value.double, range.contains(number) else {
            let isBounded = range.upperBound < .greatestFiniteMagnitude
            throw mismatch(
                key, value, isBounded ? "a number from \(range.lowerBound) to \(range.upperBound)" : "a finite number")
        }
        return number
    }

    /// The boolean `key`, or `nil` if it is absent or null.
    public func optionalBool(_ key: String) throws(Failure) -> Bool? {
        guard let value = self[key] else { return nil }
        guard let bool = value.bool else { throw mismatch(key, value, "true or false") }
        return bool
    }

    /// The string `key`, or `nil` if it is absent or null.
    public func optionalString(_ key: String) throws(Failure) -> String? {
        guard let value = self[key] else { return nil }
        guard let string = value.string else { throw mismatch(key, value, "a string") }
        return string
    }

    /// The array of strings `key`, or `nil` if it is absent or null.
    public func optionalStrings(_ key: String) throws(Failure) -> [String]? {
        try optionalArray(key, "an array of strings") { $0.string }
    }

    /// The array of whole numbers `key`, each in `range`, or `nil` if it is absent or null.
    public func optionalIntegers(_ key: String, in range: ClosedRange<Int>) throws(Failure) -> [Int]? {
        try optionalArray(key, "an array of whole numbers in \(Self.text(range))") { element in
            element.int.flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// The array of finite numbers `key`, or `nil` if it is absent or null.
    public func optionalNumbers(_ key: String) throws(Failure) -> [Double]? {
        try optionalArray(key, "an array of finite numbers") { element in
            element.double.flatMap { $0.isFinite ? $0 : nil }
        }
    }

    /// The object `key`, or `nil` if it is absent or null.
    public func optionalObject(_ key: String) throws(Failure) -> JSONFields? {
        guard let value = self[key] else { return nil }
        guard let object = value.object else { throw mismatch(key, value, "an object") }
        return JSONFields(object, name: "\(name): \(key)", kind: kind)
    }

    /// The array of objects `key`, or `nil` if it is absent or null.
    public func optionalObjects(_ key: String) throws(Failure) -> [JSONFields]? {
        guard let value = self[key] else { return nil }
        guard let elements = value.array else { throw mismatch(key, value, "an array of objects") }
        var result: [JSONFields] = []
        for (position, element) in elements.enumerated() {
            result.append(try JSONFields(element, name: "\(name): \(key)[\(position)]", kind: kind))
        }
        return result
    }

    // MARK: - Inside

    private func optionalArray<Element>(
        _ key: String, _ expectation: String, _ read: (JSON) -> Element?
    ) throws(Failure) -> [Element]? {
        guard let value = self[key] else { return nil }
        guard let elements = value.array else { throw mismatch(key, value, expectation) }
        var result: [Element] = []
        for (position, element) in elements.enumerated() {
            guard let read = read(element) else { throw mismatch("\(key)[\(position)]", element, expectation) }
            result.append(read)
        }
        return result
    }

    private func require<Value>(
        _ key: String, _ found: Value?, _ fallback: Value?, _ expectation: @autoclosure () -> String
    ) throws(Failure) -> Value {
        if let found { return found }
        guard let fallback else { throw Failure(kind, "\(name): \(key) is missing; expected \(expectation())") }
        return fallback
    }

    private func mismatch(_ key: String, _ found: JSON, _ expectation: String) -> Failure {
        failure(key, "is \(found.summary); expected \(expectation)")
    }

    private static func text(_ range: ClosedRange<Int>) -> String {
        range.upperBound == .max ? "\(range.lowerBound)..." : "\(range.lowerBound)...\(range.upperBound)"
    }
}

extension JSON {
    /// The value in a few words, for messages.
    public var summary: String {
        switch self {
        case .null: "null"
        case .bool, .integer, .number: serialized()
        case .string(let value): value.quoted
        case .array(let elements): "an array of \(elements.count)"
        case .object: "an object"
        }
    }
}
