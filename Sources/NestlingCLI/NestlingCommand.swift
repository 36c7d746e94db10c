import ArgumentParser
import Nestling

/// `nestling`: the root of all commands.
struct NestlingCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "nestling",
        abstract: "Run sentence encoders on this machine's processors, and make them smaller.",
        discussion: """
            Reads checkpoints as Hugging Face transformers and sentence-transformers write them: a directory with \
            config.json, model.safetensors and, if texts are to be read, tokenizer.json or vocab.txt.

            EXAMPLES
              nestling inspect all-MiniLM-L6-v2
              nestling embed all-MiniLM-L6-v2 "A sentence." "Another one." --similarity
              nestling embed all-MiniLM-L6-v2 --file texts.txt --npy vectors.npy
              nestling submodel all-MiniLM-L6-v2 smaller --ffn 0.5 --layers 0-3
              nestling convert all-MiniLM-L6-v2 minilm-int8 --dtype int8
              nestling tokenize all-MiniLM-L6-v2 "A sentence." --table
              nestling tokens all-MiniLM-L6-v2 "The cat sat on the mat." --merge 1
              nestling reduce-sweep all-MiniLM-L6-v2 --file texts.txt --output sweep.csv
              nestling bench all-MiniLM-L6-v2 --ffn 1,0.75,0.5,0.25

            OUTPUT
              Results go to standard output, with --json one JSON document and nothing else. Errors are one line on \
            standard error. Progress is shown on standard error if that is a terminal, and not with --quiet.

            ENVIRONMENT
              NESTLING_ISA  uses this instruction set at most: avx512bf16, avx512vnni, avx512, avx2vnni, avx2 or portable
              NO_COLOR      if set and not empty: no colours

            \(ExitStatus.help)
            """,
        version: "nestling \(Engine.versionText)",
        subcommands: [
            InspectCommand.self, EmbedCommand.self, SubmodelCommand.self, ConvertCommand.self, TokenizeCommand.self,
            TokensCommand.self, ReduceSweepCommand.self, GenerateCommand.self, PerplexityCommand.self,
            BenchCommand.self,
            CheckCommand.self,
        ])
}
