import NestlingKernels
import NestlingTensors

extension Matrix {
    /// Stream `index` of rows of several, each of `size` elements.
    func stream(_ index: Int, size: Int) -> Matrix {
        Matrix(pointer + index * size, rows: rows, columns: size, stride: stride)
    }

    /// Adds `factor` times `other`, of the same shape.
    func add(_ other: Matrix, times factor: Float = 1, threads: Int) {
        nk_scale_rows(other.pointer, other.stride, rows, columns, factor, 1, pointer, stride, Int32(threads))
    }

    /// Multiplies all elements by `factor`.
    func scale(by factor: Float, threads: Int) {
        nk_scale_rows(pointer, stride, rows, columns, factor, 0, pointer, stride, Int32(threads))
    }

    /// Applies `activation` to all elements.
    func activate(_ activation: Activation, threads: Int) {
        nk_activate(pointer, stride, rows, columns, activation.kernel, Int32(threads))
    }

    /// Copies `other`, of the same shape.
    func set(to other: Matrix, threads: Int) {
        nk_scale_rows(other.pointer, other.stride, rows, columns, 1, 0, pointer, stride, Int32(threads))
    }

    /// Scales each row to the root mean square of the row of `reference`.
    func matchMagnitudes(of reference: Matrix, threads: Int) {
        nk_match_magnitudes(pointer, stride, rows, columns, reference.pointer, reference.stride, Int32(threads))
    }
}
