import NestlingKernels

/// Calls `body` with 0 ..< `count` on up to `threads` threads of the pool (`nil`: as set for the process); fewer if they are
/// busy.
public func parallel(_ count: Int, threads: Int?, _ body: (Int) -> Void) {
    if count == 1 { return body(0) }
    withoutActuallyEscaping(body) { body in
        withUnsafePointer(to: body) { context in
            nk_parallel_for(
                count, 1, Int32(clamping: threads ?? 0),
                { begin, end, context in
                    guard let body = context?.assumingMemoryBound(to: ((Int) -> Void).self).pointee else { return }
                    for index in begin..<end { body(index) }
                }, UnsafeMutableRawPointer(mutating: context))
        }
    }
}
