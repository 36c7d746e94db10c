import NestlingBasics
import Glibc
import NestlingKernels
import NestlingTensors

/// Keeps of each row about the largest share `1 - sparsity`, were its elements of a normal distribution (statistical top-k; Gemma
/// 3n):
///
///     y = max(x - (mean(x) + k deviation(x)), 0),   k such that a normal variable is less than k with probability `sparsity`
///
/// Mean and deviation are those of the neurons in use.
struct ActivationSparsity: Sendable {
    /// `k`.
    let deviations: Float

    /// Reads `"sparsity"`, `0 < sparsity < 1`; `nil` if it is absent.
    init?(_ fields: JSONFields) throws(Failure) {
        guard let sparsity = try fields.optionalNumber("sparsity") else { return nil }
        guard sparsity > 0, sparsity < 1 else {
            throw fields.failure("sparsity", "is \(sparsity); expected a number between 0 and 1")
        }
        deviations = Float(Self.quantile(sparsity))
    }

    /// Where the standard normal distribution has reached `probability`.
    static func quantile(_ probability: Double) -> Double {
        // The distribution is monotonous: 200 halvings of an interval that holds all that differs from 0 and 1.
        var (low, high) = (-40.0, 40.0)
        for _ in 0..<200 {
            let middle = (low + high) / 2
            if erfc(-middle / 2.0.squareRoot()) / 2 < probability { low = middle } else { high = middle }
        }
        return (low + high) / 2
    }

    /// Changes the rows in place.
    func apply(_ rows: Matrix, threads: Int) {
        nk_keep_above(rows.pointer, rows.stride, rows.rows, rows.columns, deviations, Int32(threads))
    }
}
