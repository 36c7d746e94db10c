public import NestlingBasics

/// Hears of long work: the name of the phase, how much is done, and out of how much. Throws to stop it.
public typealias ProgressHandler = (_ stage: String, _ done: Int, _ total: Int) throws(Failure) -> Void
