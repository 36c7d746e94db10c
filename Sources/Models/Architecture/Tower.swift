/// A checkpoint of texts and images holds two networks; which of them a model is made of.
public enum Tower: String, Sendable, CaseIterable {
    /// Token ids in.
    case text
    /// Images in.
    case vision
}
