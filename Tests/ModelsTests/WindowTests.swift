import NestlingBasics
import NestlingCheckpoints
import NestlingTestSupport
import Testing

@testable import NestlingBlocks
@testable import NestlingModels

/// Windows of grids of all small sizes, against the laws that they follow.
@Suite struct WindowTests {
    private static func windows(_ size: Int, _ shift: Int) throws -> ImageWindows {
        let node: JSON = ["size": .integer(size), "shift": .integer(shift)]
        return try ImageWindows(JSONFields(node, name: "windows"))
    }

    /// Pixels as torch.roll and a partition would lay them: which patches of a padded grid meet, by the formulas of the paper.
    private static func meets(_ a: Int, _ b: Int, _ length: Int, _ window: Int, _ shift: Int) -> Bool {
        let padded = (length + window - 1) / window * window
        func rolled(_ place: Int) -> Int { (place - shift + padded) % padded }
        func region(_ place: Int) -> Int { (place >= padded - window ? 1 : 0) + (place >= padded - shift ? 1 : 0) }
        let (x, y) = (rolled(a), rolled(b))
        return x / window == y / window && (shift == 0 || region(x) == region(y))
    }

    @Test(arguments: [1, 2, 3, 4, 5]) func patchesMeetAsInThePaper(_ size: Int) throws {
        for shift in 0..<size {
            let windows = try Self.windows(size, shift)
            for rows in 1...11 {
                for columns in [1, 2, 3, 5, 8, 9, 12] {
                    let grid = PatchGrid(rows: rows, columns: columns)
                    let layout = windows.layout(of: [PatchGrid(rows: 1, columns: 2), grid])
                    let what = "windows of \(size) shifted by \(shift) on \(rows) x \(columns)"
                    #expect(layout.rows == layout.sources.count && layout.places.count == 2 + grid.count, "\(what)")
                    let isFound = layout.places.indices.allSatisfy { layout.sources[layout.places[$0]] == $0 }
                    #expect(isFound, "\(what)")
                    let real = layout.sources.filter { $0 >= 0 }
                    #expect(real.count == Set(real).count && real.count == 2 + grid.count, "\(what)")

                    var sequence = [Int](repeating: 0, count: layout.rows)
                    var pairs = 0.0
                    for index in 0..<layout.sequences {
                        let rows = layout.offsets[index]..<layout.offsets[index + 1]
                        for row in rows { sequence[row] = index }
                        let positions = layout.positions[rows]
                        let rises = zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 }
                        #expect(!positions.isEmpty && rises, "\(what)")
                        pairs += Double(rows.count * rows.count)
                    }
                    let first = windows.pairs(in: PatchGrid(rows: 1, columns: 2))
                    #expect(pairs == first + windows.pairs(in: grid), "\(what)")
                    #expect(windows.rows(StreamExtent(rows: grid.count + 2, sequences: 2)) >= layout.rows, "\(what)")

                    let window = min(size, rows, columns)
                    let shifted = min(rows, columns) <= size ? 0 : shift
                    for a in 0..<grid.count {
                        let (down, across) = (a / columns, a % columns)
                        let isRight = (0..<grid.count).allSatisfy { b in
                            let meets =
                                Self.meets(down, b / columns, rows, window, shifted)
                                && Self.meets(across, b % columns, columns, window, shifted)
                            let (here, there) = (layout.places[2 + a], layout.places[2 + b])
                            let distance = (down - b / columns) * (2 * size - 1) + across - b % columns
                            return meets == (sequence[here] == sequence[there])
                                && (!meets || Int(layout.positions[here] - layout.positions[there]) == distance)
                        }
                        #expect(isRight, "\(what): patch \(a)")
                    }
                }
            }
        }
    }

    @Test func mergedGridsAreBounded() throws {
        let network = try openNetwork("swin/base")
        let merging = try #require(network.blocks.compactMap(\.downsampling).first)
        for rows in 1...9 {
            for columns in 1...9 {
                let grids = [PatchGrid(rows: rows, columns: columns), PatchGrid(rows: columns, columns: 1)]
                let count = grids.reduce(0) { $0 + $1.count }
                let known = merging.extent(after: StreamExtent(rows: count, sequences: 2, grids: grids))
                let bound = merging.extent(after: StreamExtent(rows: count, sequences: 2))
                #expect(known.grids?.first == PatchGrid(rows: (rows + 1) / 2, columns: (columns + 1) / 2))
                #expect(known.rows <= bound.rows)
            }
        }
    }
}
