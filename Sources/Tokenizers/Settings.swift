import NestlingBasics

/// A JSON object with its key path, so that whatever is wrong in it can be named.
struct Settings: Sendable {
    /// The file's name and the keys that lead here: `tokenizer.json: model.vocab`.
    let path: String
    /// The members.
    let object: JSONObject

    /// The object `value`, found at `path`.
    init(_ value: JSON, path: String) throws(Failure) {
        guard let object = value.object else { throw Failure(.corrupt, "\(path): expected an object") }
        self.path = path
        self.object = object
    }

    /// The path of the member `key`.
    func path(_ key: String) -> String { path.hasSuffix(":") ? "\(path) \(key)" : "\(path).\(key)" }

    /// Whether the member is there and not null.
    func has(_ key: String) -> Bool { value(key) != nil }

    /// The member, unless it is missing or null.
    func value(_ key: String) -> JSON? {
        guard let value = object[key], !value.isNull else { return nil }
        return value
    }

    /// A failure that says what was expected of the member `key`.
    func expected(_ what: String, _ key: String) -> Failure { Failure(.corrupt, "\(path(key)): expected \(what)") }

    /// A failure for a component that this build does not know.
    func unsupported(_ stage: String, _ type: String) -> Failure {
        Failure(.unsupported, "\(path("type")): \(stage) \(type.quoted) is not supported")
    }

    /// The member `type`.
    func type(default fallback: String? = nil) throws(Failure) -> String {
        if let type = value("type")?.string ?? fallback { return type }
        throw expected("a string", "type")
    }

    /// A text; `fallback` if it is missing or null.
    func string(_ key: String, default fallback: String? = nil) throws(Failure) -> String {
        if let value = value(key) {
            guard let text = value.string else { throw expected("a string", key) }
            return text
        }
        guard let fallback else { throw expected("a string", key) }
        return fallback
    }

    /// A truth value; `fallback` if it is missing or null.
    func bool(_ key: String, default fallback: Bool? = nil) throws(Failure) -> Bool {
        if let value = value(key) {
            guard let truth = value.bool else { throw expected("true or false", key) }
            return truth
        }
        guard let fallback else { throw expected("true or false", key) }
        return fallback
    }

    /// A whole number that is not negative; `fallback` if it is missing or null.
    func count(_ key: String, default fallback: Int? = nil) throws(Failure) -> Int {
        if let value = value(key) {
            guard let number = value.int, number >= 0 else { throw expected("a whole number, 0 or more", key) }
            return number
        }
        guard let fallback else { throw expected("a whole number, 0 or more", key) }
        return fallback
    }

    /// The elements of an array.
    func array(_ key: String) throws(Failure) -> [JSON] {
        guard let elements = value(key)?.array else { throw expected("an array", key) }
        return elements
    }

    /// An object inside this one.
    func settings(_ key: String) throws(Failure) -> Settings {
        guard let value = value(key) else { throw expected("an object", key) }
        return try Settings(value, path: path(key))
    }

    /// `value` as a token id: 0 ... Int32.max.
    static func id(_ value: JSON, _ path: @autoclosure () -> String) throws(Failure) -> Int32 {
        guard let number = value.int, let id = Int32(exactly: number), id >= 0 else {
            throw Failure(.corrupt, "\(path()): expected a token id, 0 to \(Int32.max)")
        }
        return id
    }

    /// The member `vocab` of a model: an object of tokens with their ids.
    func vocabulary(_ key: String = "vocab") throws(Failure) -> Vocabulary {
        guard let members = value(key)?.object else { throw expected("an object of token ids", key) }
        var vocabulary = Vocabulary()
        for (token, value) in members.members {
            vocabulary.add(token, id: try Settings.id(value, "\(path(key)).\(token)"))
        }
        return vocabulary
    }
}
