// `import Nestling` is all that a program needs: what the library's functions take and give comes along.
@_exported public import NestlingBasics
@_exported public import NestlingBlocks
@_exported public import NestlingCheckpoints
@_exported public import NestlingElastic
@_exported public import NestlingGeneration
@_exported public import NestlingImages
@_exported public import NestlingModels
@_exported public import enum NestlingTensors.Codec
@_exported public import NestlingTokenizers
