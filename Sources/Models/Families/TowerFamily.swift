import NestlingBasics

/// Families of two towers.
protocol TowerFamily: Family {
    /// Begins the names of `model_type`s.
    static var stem: String { get }
    /// Describes one tower.
    static func architecture(_ config: JSONFields, _ names: TensorNames, _ tower: Tower) throws(Failure) -> Architecture
}

extension TowerFamily {
    static var modelTypes: [String] { [stem, "\(stem)_text_model", "\(stem)_vision_model"] }

    /// The towers of a checkpoint.
    static func towers(_ config: JSONFields) throws(Failure) -> [Tower] {
        let type = try config.string("model_type")
        return Tower.allCases.filter { type == stem || type == "\(stem)_\($0.rawValue)_model" }
    }

    static func architecture(_ config: JSONFields, _ names: TensorNames) throws(Failure) -> Architecture {
        let towers = try towers(config)
        guard towers.count == 1 else {
            throw Failure(
                .invalidArgument, "\(config.name): there are two towers; one must be chosen, text or vision")
        }
        return try architecture(config, names, towers[0])
    }
}
