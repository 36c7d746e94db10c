public import NestlingBasics

/// Why a call failed: a kind that programs can act on, and one line that names the culprit for people.
public typealias NestlingError = Failure
