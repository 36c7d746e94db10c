/// Which pixels of one axis make up each pixel of the resampled axis, and with what weights.
///
/// For output pixel `i` the centre lies at `(i + 1/2) s`, with `s = inputs / outputs`; pixel `j` counts with
/// `filter((j + 1/2 - centre) / max(s, 1))`, divided by the sum over all `j` inside the image.
struct ResamplingWeights<Element: Sample> {
    /// Pixels of the whole resampled axis.
    let outputs: Int
    /// The first input pixel of each output pixel.
    private(set) var firsts: [Int] = []
    /// Where each output pixel's weights begin in ``values``, and at the end their number.
    private(set) var offsets: [Int] = [0]
    /// The weights of all output pixels.
    private(set) var values: [Element.Sum] = []
    /// The input pixels that are used at all.
    private(set) var inputs = 0..<0

    /// Weights for the output pixels of `window`, which is not empty, of `outputs` in all.
    init(inputs size: Int, outputs: Int, window: Range<Int>, filter: ResamplingFilter) {
        self.outputs = outputs
        if size == outputs {
            for position in window { append(position, [1]) }
        } else if filter == .nearest {
            appendNearest(inputs: size, outputs: outputs, window: window)
        } else {
            appendFiltered(inputs: size, outputs: outputs, window: window, filter: filter)
        }
        var first = Int.max
        var end = 0
        for (position, start) in firsts.enumerated() {
            first = min(first, start)
            end = max(end, start + offsets[position + 1] - offsets[position])
        }
        inputs = first..<end
    }

    private mutating func append(_ first: Int, _ weights: [Double]) {
        firsts.append(first)
        for weight in weights { values.append(Element.weight(weight)) }
        offsets.append(values.count)
    }

    /// Steps are added up as Pillow does it: where a centre falls on the border of two pixels, rounding decides.
    private mutating func appendNearest(inputs size: Int, outputs: Int, window: Range<Int>) {
        let step = Double(size) / Double(outputs)
        var centre = step * 0.5
        for position in 0..<window.upperBound {
            if position >= window.lowerBound { append(min(Int(centre), size - 1), [1]) }
            centre += step
        }
    }

    private mutating func appendFiltered(inputs size: Int, outputs: Int, window: Range<Int>, filter: ResamplingFilter) {
        let step = Double(size) / Double(outputs)
        let widening = max(step, 1)
        let support = filter.support * widening
        var weights: [Double] = []
        for position in window {
            let centre = (Double(position) + 0.5) * step
            let first = max(0, Int(centre - support + 0.5))
            let end = min(size, Int(centre + support + 0.5))
            weights.removeAll(keepingCapacity: true)
            var sum = 0.0
            for pixel in first..<max(first, end) {
                let weight = filter.weight(at: (Double(pixel) - centre + 0.5) * (1 / widening))
                weights.append(weight)
                sum += weight
            }
            if sum != 0 {
                for index in weights.indices { weights[index] /= sum }
            }
            append(first, weights)
        }
    }
}
