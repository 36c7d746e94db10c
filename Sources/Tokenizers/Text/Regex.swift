import NestlingBasics
import NestlingCPCRE2

/// A regular expression in Oniguruma's syntax, which tokenizer files use, run by PCRE2.
///
/// Immutable: each call brings its own ``Scratch``, so that threads share nothing that changes.
final class Regex: @unchecked Sendable {
    // Compiled code is only read after init, and PCRE2 allows several threads to match with one.
    private let code: OpaquePointer
    private let pattern: String

    /// How much work one match may be: PCRE2 counts steps back, and a pattern that needs more is hopeless on its text.
    private static let matchLimit: UInt32 = 10_000_000

    /// The memory that matching needs, one per call and thread.
    struct Scratch: ~Copyable {
        fileprivate var data: OpaquePointer?
        fileprivate var context: OpaquePointer?
        fileprivate var stack: OpaquePointer?

        deinit {
            if let data { pcre2_match_data_free_8(data) }
            if let context { pcre2_match_context_free_8(context) }
            if let stack { pcre2_jit_stack_free_8(stack) }
        }

        fileprivate mutating func prepare() throws(Failure) -> (data: OpaquePointer, context: OpaquePointer) {
            if let data, let context { return (data, context) }
            guard let data = pcre2_match_data_create_8(1, nil), let context = pcre2_match_context_create_8(nil) else {
                throw Failure(.outOfMemory, "no memory for a regular expression")
            }
            pcre2_set_match_limit_8(context, Regex.matchLimit)
            self.data = data
            self.context = context
            return (data, context)
        }

        /// Gives matching more stack than the 32 KiB of the thread's that it takes otherwise; false if it has more already.
        ///
        /// Hardly any match needs it, and mapping it costs more than a short text, and stops the process's other threads.
        fileprivate mutating func growStack() -> Bool {
            guard stack == nil, let stack = pcre2_jit_stack_create_8(32 * 1024, 8 * 1024 * 1024, nil) else {
                return false
            }
            pcre2_jit_stack_assign_8(context, nil, UnsafeMutableRawPointer(stack))
            self.stack = stack
            return true
        }
    }

    /// Compiles `pattern`, found at `path`.
    init(_ pattern: String, path: String) throws(Failure) {
        self.pattern = pattern
        let translated = try OnigurumaSyntax.translate(pattern, path: path)
        var error: Int32 = 0
        var offset = 0
        let context = pcre2_compile_context_create_8(nil)
        defer { pcre2_compile_context_free_8(context) }
        pcre2_set_newline_8(context, UInt32(PCRE2_NEWLINE_LF))
        // Nesting is bounded by PCRE2 itself; this bounds the memory a short pattern can ask for.
        pcre2_set_parens_nest_limit_8(context, 250)
        let options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C
        let compiled = translated.withUnsafeBufferPointer {
            pcre2_compile_8($0.baseAddress, $0.count, options, &error, &offset, context)
        }
        guard let compiled else {
            throw Failure(.unsupported, "\(path): the regular expression does not compile: \(Self.message(error))")
        }
        code = compiled
        // Without a JIT compiler for this machine matching is slower, nothing else.
        _ = pcre2_jit_compile_8(compiled, UInt32(PCRE2_JIT_COMPLETE))
    }

    deinit { pcre2_code_free_8(code) }

    private static func message(_ error: Int32) -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let length = pcre2_get_error_message_8(error, &buffer, buffer.count)
        return length > 0 ? String(decoding: buffer.prefix(Int(length)), as: UTF8.self) : "error \(error)"
    }

    /// Calls `body` with every match in `text[range]`. An empty match right behind the last one is passed over.
    func forEachMatch(
        _ text: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ scratch: inout Scratch,
        _ body: (Range<Int>) -> Void
    ) throws(Failure) {
        guard !range.isEmpty, let base = text.baseAddress else { return }
        let (data, context) = try scratch.prepare()
        guard let places = pcre2_get_ovector_pointer_8(data) else { return }
        let subject = base + range.lowerBound
        var start = 0
        var lastEnd = -1
        while start <= range.count {
            let result = pcre2_match_8(code, subject, range.count, start, UInt32(PCRE2_NO_UTF_CHECK), data, context)
            if result == PCRE2_ERROR_NOMATCH { return }
            if result == PCRE2_ERROR_JIT_STACKLIMIT, scratch.growStack() { continue }
            if result < 0 {
                throw Failure(
                    .unsupported,
                    "the regular expression \(pattern.debugDescription) fails on this text: \(Self.message(result))")
            }
            let (from, to) = (places[0], places[1])
            if from >= to, to == lastEnd {
                start += start < range.count ? UTF8Text.length(lead: subject[start]) : 1
                continue
            }
            // \K can move the beginning of a match anywhere; what overlaps the last match is none.
            if from <= to, from >= lastEnd { body(range.lowerBound + from..<range.lowerBound + to) }
            start = max(to, start)
            lastEnd = max(to, lastEnd)
        }
    }
}
