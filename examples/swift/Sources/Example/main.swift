// Embeds sentences with a model and with a submodel of half its FFN width, which shares the weights.
//
//     swift run -c release Example CHECKPOINT
import Nestling

guard CommandLine.arguments.count == 2 else {
    print("usage: Example CHECKPOINT")
    throw NestlingError(.invalidArgument, "there must be one argument: the checkpoint's directory")
}
let sentences = [
    "A small bird sleeps in its nest.",
    "The fledgling rests where it was born.",
    "The train leaves at half past nine.",
]

/// The cosine of the angle between two vectors.
func similarity(_ a: [Float], _ b: [Float]) -> Float {
    func dot(_ a: [Float], _ b: [Float]) -> Float { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
}

let model = try Model(path: CommandLine.arguments[1])
let small = try model.submodel(ffn: .ratio(0.5))

let vectors = try Session(model).encode(sentences)
let smallVectors = try Session(small).encode(sentences)

print("\(model.family), \(model.layers) layers, \(model.outputDimensions) dimensions")
print("\(model.parameters) parameters, \(small.parameters) in the submodel")
for (index, sentence) in sentences.enumerated() {
    let toFirst = similarity(vectors[0], vectors[index])
    let toFull = similarity(vectors[index], smallVectors[index])
    print("like the first: \(toFirst), submodel like the model: \(toFull)  \(sentence)")
}
