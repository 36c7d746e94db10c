import NestlingBasics
import Glibc

/// How many tokens to remove in each layer.
public enum ReductionSchedule: Sendable, Equatable {
    /// `r[l]` tokens in layer `l`; none past the end of the list.
    case list([Int])
    /// `r` tokens on average, as much more at one end as less at the other: from `r (1 - slope)` in the first layer to
    /// `r (1 + slope)` in the last, rounded towards zero. Slope 0 is constant, -1 falls from `2r` to 0, 1 rises from 0.
    case linear(r: Int, slope: Int)
    /// This share of the tokens, to the nearest whole number, remains after the last layer; removed evenly.
    case ratio(Double)
    /// This share of the tokens that are not protected, rounded up, remains after each layer that reduces.
    case keep(Double)
    /// The constant number of tokens for each layer that reduces with which the multiply-adds come closest to this share of
    /// those of the full run; of two that are as close the smaller.
    case work(Double)

    /// Tokens to remove in each of `layers` layers of a sequence of `tokens`.
    func amounts(tokens: Int, layers: Int) -> [Int] {
        switch self {
        case .list(let amounts):
            return (0..<layers).map { $0 < amounts.count ? amounts[$0] : 0 }
        case .linear(let r, let slope):
            guard layers > 1 else { return Array(repeating: r, count: layers) }
            return (0..<layers).map { (r * (1 - slope) * (layers - 1) + 2 * r * slope * $0) / (layers - 1) }
        case .ratio(let ratio):
            let removed = tokens - Int((ratio * Double(tokens)).rounded())
            return (0..<layers).map { ($0 + 1) * removed / layers - $0 * removed / layers }
        case .keep, .work:
            return Array(repeating: 0, count: layers)
        }
    }

    /// Where a layer keeps a share of what it finds: how many of `free` tokens; `nil` where amounts are known beforehand.
    func keptTokens(of free: Int) -> Int? {
        guard case .keep(let share) = self else { return nil }
        return Int(ceil(share * Double(free)))
    }
}

extension ReductionSchedule {
    /// The largest `r` that is read: far above any sequence, far below what could overflow.
    static let largestAmount = Int(Int32.max)

    /// Reads `"r"` (a number or a list), `"ratio"`, `"keep"`, `"flops"` and `"schedule"`.
    init(_ fields: JSONFields) throws(Failure) {
        let schedule = try fields.string("schedule", default: "constant")
        let slopes = ["constant": 0, "decreasing": -1, "increasing": 1]
        guard let slope = slopes[schedule] else {
            throw Failure(
                .invalidArgument,
                "\(fields.name): schedule \(schedule.quoted) is not known; known are constant, decreasing, increasing")
        }
        let amount = fields["r"]
        for key in ["ratio", "keep", "flops"] {
            guard let share = try fields.optionalNumber(key) else { continue }
            guard ["r", "ratio", "keep", "flops"].allSatisfy({ $0 == key || fields[$0] == nil }), slope == 0 else {
                throw Failure(
                    .invalidArgument,
                    "\(fields.name): \"\(key)\" excludes \"schedule\" and the others of \"r\", \"ratio\", \"keep\", \"flops\""
                )
            }
            guard share > 0, share <= 1 else {
                throw Failure(.invalidArgument, "\(fields.name): \(key) \(share) is not in 0 < \(key) <= 1")
            }
            self = key == "ratio" ? .ratio(share) : key == "keep" ? .keep(share) : .work(share)
            return
        }
        if let list = amount?.array {
            guard slope == 0 else {
                throw Failure(.invalidArgument, "\(fields.name): a list of \"r\" excludes \"schedule\"")
            }
            var amounts: [Int] = []
            for value in list {
                guard let value = value.int, (0...Self.largestAmount).contains(value) else {
                    throw Failure(.invalidArgument, "\(fields.name): \"r\" must hold whole numbers, at least 0")
                }
                amounts.append(value)
            }
            self = .list(amounts)
        } else {
            guard let r = amount?.int, (0...Self.largestAmount).contains(r) else {
                throw Failure(
                    .invalidArgument,
                    "\(fields.name): needs \"r\" (a whole number from 0, or a list), \"ratio\", \"keep\" or \"flops\"")
            }
            self = .linear(r: r, slope: slope)
        }
    }
}
