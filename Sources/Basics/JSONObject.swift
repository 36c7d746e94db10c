/// The members of a JSON object, in the order in which the file has them.
///
/// Keys are told apart by their bytes, as JSON does, not by canonical equivalence, as Swift's `String` does:
/// vocabularies hold both the composed and the decomposed form of a letter.
public struct JSONObject: Sendable, Equatable {
    /// Keys in order, with their values.
    public private(set) var members: [(key: String, value: JSON)] = []
    /// Positions by key; empty while there are so few members that looking at each is faster.
    private var index: [UTF8Key: Int] = [:]

    private static let searchedCount = 8

    /// An object without members.
    public init() {}

    /// How many members there are.
    public var count: Int { members.count }

    /// The value of `key`; assigning `nil` removes the member.
    public subscript(key: String) -> JSON? {
        get {
            if let position = position(of: key) { members[position].value } else { nil }
        }
        set {
            switch (position(of: key), newValue) {
            case (let position?, let value?): members[position].value = value
            case (nil, let value?): append(key, value)
            case (let position?, nil):
                members.remove(at: position)
                index = [:]
                if members.count > Self.searchedCount { indexAll() }
            case (nil, nil): break
            }
        }
    }

    /// Whether there is a member named `key`, be it null.
    public func contains(_ key: String) -> Bool { position(of: key) != nil }

    /// Objects are equal when they have the same members, in any order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool {
        left.count == right.count && left.members.allSatisfy { right[$0.key] == $0.value }
    }

    /// Adds a member whose key must be new.
    mutating func append(_ key: String, _ value: JSON) {
        members.append((key, value))
        if members.count == Self.searchedCount + 1 {
            indexAll()
        } else if members.count > Self.searchedCount {
            index[UTF8Key(key)] = members.count - 1
        }
    }

    private func position(of key: String) -> Int? {
        if members.count > Self.searchedCount { return index[UTF8Key(key)] }
        let wanted = UTF8Key(key)
        return members.firstIndex { UTF8Key($0.key) == wanted }
    }

    private mutating func indexAll() {
        for (position, member) in members.enumerated() { index[UTF8Key(member.key)] = position }
    }
}
