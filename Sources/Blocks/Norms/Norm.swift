public import NestlingTensors

/// How is a row normalized?
public protocol Norm: Sendable {
    /// Elements of a row.
    var size: Int { get }
    /// Learned numbers.
    var parameters: Int { get }
    /// Normalizes each row of `input` into `output`, which may be the same memory.
    func apply(_ input: Matrix, into output: Matrix, threads: Int)
}
