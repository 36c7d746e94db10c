public import NestlingBasics
public import NestlingTensors

/// Reading the nodes that parts of an architecture have in common.
extension JSONFields {
    /// The learned vector that member `key` names, or `nil` if the member is absent.
    func vector(_ key: String, count: Int, _ weights: any WeightSource) throws(Failure) -> Vector? {
        guard let name = try optionalString(key) else { return nil }
        return try weights.vector(name, count: count)
    }

    /// The linear layer under `key`, which must have `outputs` and `inputs`.
    func linear(_ key: String, outputs: Int, inputs: Int, _ weights: any WeightSource) throws(Failure) -> any Linear {
        let linear = try weights.linear(self[key], path: "\(name).\(key)")
        guard linear.outputs == outputs, linear.inputs == inputs else {
            throw Failure(
                .corrupt,
                "\(name).\(key): is \(linear.outputs) x \(linear.inputs), expected \(outputs) x \(inputs)")
        }
        return linear
    }

    /// The norm under `key`, or `nil` if the member is absent.
    public func norm(_ key: String, _ weights: any WeightSource) throws(Failure) -> (any Norm)? {
        guard let node = try optionalObject(key) else { return nil }
        return try Registry.build(Registry.norms, node, weights, kind: "norm")
    }

    /// The activation that member `key` names.
    public func activation(_ key: String, default: Activation? = nil) throws(Failure) -> Activation {
        guard let text = try optionalString(key) else {
            if let `default` { return `default` }
            throw Failure(.corrupt, "\(name): key \(key.quoted) is missing; expected the name of an activation")
        }
        guard let activation = Activation(rawValue: text) else {
            throw Failure(.unsupported, "\(name): activation \(text.quoted) is not known")
        }
        return activation
    }

    /// One part for each node of the array under `key`, none if it is absent.
    func parts<Part>(
        _ key: String, _ table: [String: Registry.Builder<Part>], _ weights: any WeightSource, kind: String
    ) throws(Failure) -> [Part] {
        var parts: [Part] = []
        for node in try optionalObjects(key) ?? [] {
            parts.append(try Registry.build(table, node, weights, kind: kind))
        }
        return parts
    }
}
