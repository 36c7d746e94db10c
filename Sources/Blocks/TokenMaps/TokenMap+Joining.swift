import Glibc
import NestlingTensors

/// How rows that become one are joined. A row that stays alone keeps its bits.
public enum Joining: Sendable {
    /// The mean weighted by size: `x'_k = sum_i T[i, k] s_i x_i / s'_k`, where `s'_k = sum_i T[i, k] s_i`.
    case mean
    /// `x'_k = sum_i factor_i x_i`, not divided by anything.
    case sum(factors: [Float])
    /// The direction of the mean with the length of the longest of its parts.
    case longest
}

extension TokenMap {
    /// Joins the rows of one sequence where they lie, in the leading ``newCount`` rows. `sizes` are those of the old rows on
    /// entry, of the new rows on return: `s'_k = sum_i T[i, k] s_i`, so that only pruning loses mass.
    ///
    /// - Parameter scratch: as many rows, for maps that are many-to-many.
    func apply(_ rows: Matrix, sizes: UnsafeMutablePointer<Float>, scratch: Matrix?, threads: Int) {
        if let shares, let scratch {
            mix(shares, rows, sizes: sizes, scratch: scratch, threads: threads)
        } else {
            join(rows, sizes: sizes)
        }
    }

    private func join(_ rows: Matrix, sizes: UnsafeMutablePointer<Float>) {
        let columns = rows.columns
        var isShared = [Bool](repeating: false, count: newCount)
        for old in 0..<oldCount where newRow[old] >= 0 && keptRows[Int(newRow[old])] != old {
            isShared[Int(newRow[old])] = true
        }
        var lengths: [Float] = []
        if case .longest = joining {
            lengths = Array(repeating: 0, count: newCount)
            for old in 0..<oldCount where newRow[old] >= 0 && isShared[Int(newRow[old])] {
                lengths[Int(newRow[old])] = max(lengths[Int(newRow[old])], length(rows.row(old), columns))
            }
        }
        for new in 0..<newCount where isShared[new] {
            let kept = Int(keptRows[new])
            let (target, factor) = (rows.row(kept), factor(kept, sizes))
            for column in 0..<columns { target[column] *= factor }
        }
        for old in 0..<oldCount where newRow[old] >= 0 {
            let kept = Int(keptRows[Int(newRow[old])])
            guard kept != old else { continue }
            let (source, target, factor) = (rows.row(old), rows.row(kept), factor(old, sizes))
            for column in 0..<columns { target[column] += source[column] * factor }
        }
        for old in 0..<oldCount where newRow[old] >= 0 {
            let kept = Int(keptRows[Int(newRow[old])])
            if kept != old { sizes[kept] += sizes[old] }
        }
        // Kept rows rise, and each moves to a row no later than its own: moving them in order overwrites only rows that
        // have been used.
        for new in 0..<newCount {
            let kept = Int(keptRows[new])
            let (source, target, size) = (rows.row(kept), rows.row(new), sizes[kept])
            if isShared[new] {
                let divisor: Float
                switch joining {
                case .mean: divisor = size
                case .sum: divisor = 1
                case .longest:
                    let own = length(source, columns)
                    divisor = own > 0 && lengths[new] > 0 ? own / lengths[new] : size
                }
                for column in 0..<columns { target[column] = source[column] / divisor }
            } else if kept != new {
                target.update(from: source, count: columns)
            }
            sizes[new] = size
        }
    }

    /// What row `old` is multiplied by in a sum.
    private func factor(_ old: Int, _ sizes: UnsafeMutablePointer<Float>) -> Float {
        if case .sum(let factors) = joining { factors[old] } else { sizes[old] }
    }

    private func length(_ row: UnsafeMutablePointer<Float>, _ columns: Int) -> Float {
        var sum = 0.0
        for column in 0..<columns { sum += Double(row[column]) * Double(row[column]) }
        return Float(sum.squareRoot())
    }

    /// `X' = W X` with `W[k, i] = T[i, k] s_i / s'_k`.
    private func mix(
        _ shares: Shares, _ rows: Matrix, sizes: UnsafeMutablePointer<Float>, scratch: Matrix, threads: Int
    ) {
        var weights = Shares(rows: newCount, columns: oldCount)
        var mass = [Float](repeating: 0, count: newCount)
        for old in 0..<oldCount {
            for new in 0..<newCount {
                let weight = shares[old, new] * sizes[old]
                weights[new, old] = weight
                mass[new] += weight
            }
        }
        // A mass that is no number gives rows that are none.
        for new in 0..<newCount where mass[new] != 0 {
            for old in 0..<oldCount { weights[new, old] /= mass[new] }
        }
        let mixed = scratch.prefix(rows: newCount)
        weights.multiply(rows.pointer, stride: rows.stride, columns: rows.columns, into: mixed, threads: threads)
        for new in 0..<newCount {
            rows.row(new).update(from: mixed.row(new), count: rows.columns)
            sizes[new] = mass[new]
        }
    }
}
