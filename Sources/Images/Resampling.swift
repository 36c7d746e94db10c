import NestlingBasics
import NestlingTensors

/// One image on its way to another size: one axis first, then the other, each colour in a plane of its own.
///
/// Both passes round and clip as samples do. Every output pixel has one order of summation, so threads change nothing.
/// Rows are resampled first, unless the height shrinks by more than twice what the width does, in pixels; then columns
/// are. That is what Pillow 13 does, as found by trying; before 13, rows always came first.
struct Resampling<Element: Sample> {
    let view: ImageView
    /// What messages call the image.
    let name: String
    let horizontal: ResamplingWeights<Element>
    let vertical: ResamplingWeights<Element>

    /// Rows that one task takes.
    private static var rowsOfTask: Int { 16 }

    /// Whether columns are resampled before rows.
    private var isVerticalFirst: Bool {
        let shrinkage = view.height - vertical.outputs
        return shrinkage > 0 && shrinkage > 2 * (view.width - horizontal.outputs)
    }

    /// Elements of a row between the passes.
    private var rowBetween: Int { isVerticalFirst ? horizontal.inputs.count : horizontal.firsts.count }

    /// Calls `store` once for each output row, on some thread: with the row's index and the first element of its red,
    /// green and blue planes, `[3, window width]` at the distance that is passed last.
    func run(
        threads: Int?, _ store: (_ row: Int, _ planes: UnsafePointer<Element>, _ distance: Int) -> Void
    ) throws(Failure) {
        let rows = vertical.inputs
        let (between, width) = (rowBetween, horizontal.firsts.count)
        let elements = try rows.count.multiplied(by: 3 * between, "resampled rows")
        let storage = try AlignedStorage(bytes: elements.multiplied(by: MemoryLayout<Element>.stride, "resampled rows"))
        // [3, rows, between]
        let stage = UnsafeMutableRawPointer(storage.pointer).bindMemory(to: Element.self, capacity: elements)
        try fill(stage, threads: threads)
        let outputs = vertical.firsts.count
        let tasks = (outputs + Self.rowsOfTask - 1) / Self.rowsOfTask
        parallel(tasks, threads: threads) { task in
            withUnsafeTemporaryAllocation(of: Element.Sum.self, capacity: between) { sums in
                withUnsafeTemporaryAllocation(of: Element.self, capacity: between + 3 * width) { row in
                    guard let sums = sums.baseAddress, let whole = row.baseAddress else { return }
                    let row = whole + between
                    for output in task * Self.rowsOfTask..<min(outputs, (task + 1) * Self.rowsOfTask) {
                        let first = vertical.firsts[output] - rows.lowerBound
                        for plane in 0..<3 {
                            let source = stage + (plane * rows.count + first) * between
                            let target = row + plane * width
                            addRows(source, between, output: output, sums, into: isVerticalFirst ? whole : target)
                            if isVerticalFirst { sumColumns(whole, into: target) }
                        }
                        store(output, row, width)
                    }
                }
            }
        }
        withExtendedLifetime(storage) {}
    }

    /// The sum of the rows that make up row `output`, the first of which is at `source`.
    @inline(__always)
    private func addRows(
        _ source: UnsafePointer<Element>, _ width: Int, output: Int, _ sums: UnsafeMutablePointer<Element.Sum>,
        into row: UnsafeMutablePointer<Element>
    ) {
        sums.initialize(repeating: Element.start, count: width)
        let offset = vertical.offsets[output]
        for index in 0..<vertical.offsets[output + 1] - offset {
            let weight = vertical.values[offset + index]
            let source = source + index * width
            for column in 0..<width { sums[column] = Element.add(sums[column], source[column], weight) }
        }
        for column in 0..<width { (row + column).initialize(to: Element.finish(sums[column])) }
    }

    /// Reads the rows that are needed, and resamples them unless columns come first: `[3, rows, between]`.
    private func fill(_ stage: UnsafeMutablePointer<Element>, threads: Int?) throws(Failure) {
        let rows = vertical.inputs
        let columns = horizontal.inputs
        let (between, isVerticalFirst) = (rowBetween, isVerticalFirst)
        let tasks = (rows.count + Self.rowsOfTask - 1) / Self.rowsOfTask
        // The first pixel that is none, as row * width + column, of each task.
        var refused = [Int](repeating: .max, count: tasks)
        refused.withUnsafeMutableBufferPointer { refused in
            // Tasks write to places of their own.
            nonisolated(unsafe) let refused = refused
            parallel(tasks, threads: threads) { task in
                withUnsafeTemporaryAllocation(of: Element.self, capacity: 3 * columns.count) { planes in
                    guard let planes = planes.baseAddress else { return }
                    for row in task * Self.rowsOfTask..<min(rows.count, (task + 1) * Self.rowsOfTask) {
                        if let column = read(row: rows.lowerBound + row, columns, into: planes) {
                            refused[task] = min(refused[task], (rows.lowerBound + row) * view.width + column)
                            continue
                        }
                        for plane in 0..<3 {
                            let source = planes + plane * columns.count
                            let target = stage + (plane * rows.count + row) * between
                            if isVerticalFirst {
                                target.initialize(from: source, count: between)
                            } else {
                                sumColumns(source, into: target)
                            }
                        }
                    }
                }
            }
        }
        if let pixel = refused.min(), pixel < .max {
            throw refusal(row: pixel / view.width, column: pixel % view.width)
        }
    }

    /// The weighted sums of one colour of one row, of which `source` has the columns that are needed.
    @inline(__always)
    private func sumColumns(_ source: UnsafePointer<Element>, into row: UnsafeMutablePointer<Element>) {
        let first = horizontal.inputs.lowerBound
        horizontal.values.withUnsafeBufferPointer { values in
            guard var weights = values.baseAddress else { return }
            for column in 0..<horizontal.firsts.count {
                let count = horizontal.offsets[column + 1] - horizontal.offsets[column]
                let source = source + (horizontal.firsts[column] - first)
                var sum = Element.start
                for index in 0..<count { sum = Element.add(sum, source[index], weights[index]) }
                (row + column).initialize(to: Element.finish(sum))
                weights += count
            }
        }
    }

    /// Reads pixels of a row as red, green and blue planes `[3, columns]`; returns the first column that holds none.
    private func read(row: Int, _ columns: Range<Int>, into planes: UnsafeMutablePointer<Element>) -> Int? {
        let count = columns.count
        var address = view.address(row: row, column: columns.lowerBound, channel: 0)
        let (pixelStride, channelStride) = (view.pixelStride, view.channelStride)
        for column in 0..<count {
            for plane in 0..<3 {
                let channel = view.channels == 1 ? 0 : plane
                guard let sample = Element.load(address + channel * channelStride) else {
                    return columns.lowerBound + column
                }
                (planes + plane * count + column).initialize(to: sample)
            }
            if view.channels == 4 {
                guard let alpha = Element.load(address + 3 * channelStride) else { return columns.lowerBound + column }
                for plane in 0..<3 {
                    let place = planes + plane * count + column
                    place.pointee = Element.onWhite(place.pointee, alpha: alpha)
                }
            }
            // Not past the last pixel: an address outside of all memory must not even be computed.
            if column + 1 < count { address += pixelStride }
        }
        return nil
    }

    private func refusal(row: Int, column: Int) -> Failure {
        for channel in 0..<view.channels {
            let address = view.address(row: row, column: column, channel: channel)
            guard Element.load(address) == nil else { continue }
            return Failure(
                .invalidArgument,
                "\(name): channel \(channel) of the pixel in row \(row), column \(column) is \(address.loadUnaligned(as: Float.self)); float pixels lie in 0...1"
            )
        }
        return Failure(.internal, "\(name): a pixel was refused, and then was not")
    }
}
