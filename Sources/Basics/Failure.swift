/// Why an operation did not happen: what kind of trouble, and one line that names the culprit.
///
/// Every room throws this one type, so that a message written where the trouble was found reaches the
/// C caller, the Python exception and the shell unchanged. The raw values of ``Kind`` are the C statuses.
public struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The kinds of trouble, as few as callers can act on.
    public enum Kind: Int32, Sendable {
        /// The caller passed something that cannot be meant.
        case invalidArgument = -1
        /// A file, tensor, head or token that was asked for does not exist.
        case notFound = -2
        /// The operating system refused to read or write.
        case io = -3
        /// A file is damaged or contradicts itself.
        case corrupt = -4
        /// A file or request is well formed, but says something that this build cannot do.
        case unsupported = -5
        /// Memory ran out, or a limit that the caller set would be passed.
        case outOfMemory = -6
        /// The caller's buffer cannot hold the result.
        case bufferTooSmall = -7
        /// The caller's progress callback asked to stop.
        case cancelled = -8
        /// A mistake of the library itself.
        case `internal` = -9
    }

    /// What the caller can act on.
    public let kind: Kind
    /// One line without a trailing period: what was wrong, where, and what was expected.
    public let message: String

    /// Creates a failure of `kind` that says `message`.
    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// The message.
    public var description: String { message }
}
