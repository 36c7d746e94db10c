import NestlingBasics

/// How a weight matrix is stored and multiplied (a codec). Immutable; prefixes of it are views that copy nothing.
///
/// `y = x W^T + b` with `W` of shape `[outputs, inputs]`.
public protocol Linear: Sendable {
    /// Outputs in use.
    var outputs: Int { get }
    /// Inputs in use.
    var inputs: Int { get }
    /// Learned numbers in use, the bias included.
    var parameters: Int { get }
    /// The type to which products with it may round their inputs; attention between such layers follows.
    var inputType: StoredType { get }
    /// Bytes that the whole packed matrix takes, shared by all its views.
    var storageBytes: Int { get }

    /// The leading `outputs` and `inputs`, sharing the weights. Both are at most what is in use here.
    func prefix(outputs: Int, inputs: Int) -> any Linear

    /// Multiplies `input` `[rows, inputs]` by this matrix and by those of `products`, of which this one is the first, in
    /// one go if they are of one kind.
    func multiply(_ input: Matrix, _ products: [Product], threads: Int)
}

/// One product of an input with a linear layer, and what happens to the sum before it is stored:
/// `output = residual + multiplier * activation(input W^T + b)`, where absent parts are left out.
public struct Product {
    /// The weights.
    public var linear: any Linear
    /// Applied to the biased sum.
    public var activation: Activation
    /// Multiplied elementwise with the activated sum.
    public var multiplier: Matrix?
    /// Added last; may be the same memory as `output`.
    public var residual: Matrix?
    /// Receives `[rows, outputs]`.
    public var output: Matrix

    /// Describes a product.
    public init(
        _ linear: any Linear, activation: Activation = .identity, multiplier: Matrix? = nil, residual: Matrix? = nil,
        output: Matrix
    ) {
        self.linear = linear
        self.activation = activation
        self.multiplier = multiplier
        self.residual = residual
        self.output = output
    }
}

extension Matrix {
    /// Multiplies this input by the linear layers of `products`, all of which have `columns` inputs.
    public func multiply(_ products: [Product], threads: Int) {
        products.first?.linear.multiply(self, products, threads: threads)
    }

    /// Multiplies this input by one linear layer.
    public func multiply(_ product: Product, threads: Int) { multiply([product], threads: threads) }
}

extension Linear {
    /// Multiply-adds for each row.
    public var multiplyAdds: Int { outputs * inputs }
}
