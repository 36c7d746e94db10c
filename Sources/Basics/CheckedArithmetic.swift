/// Sizes come from files and callers: products and sums of them must not trap.
extension Int {
    /// `self * other`, or a failure that names `what` when the product does not fit.
    public func multiplied(by other: Int, _ what: @autoclosure () -> String) throws(Failure) -> Int {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        if overflow { throw Failure(.corrupt, "\(what()): \(self) x \(other) does not fit in 64 bits") }
        return product
    }

    /// `self + other`, or a failure that names `what` when the sum does not fit.
    public func added(to other: Int, _ what: @autoclosure () -> String) throws(Failure) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        if overflow { throw Failure(.corrupt, "\(what()): \(self) + \(other) does not fit in 64 bits") }
        return sum
    }
}
