import NestlingBasics
import NestlingCheckpoints
import Testing

struct SentenceTransformersSettingsTests {
    private typealias Settings = SentenceTransformersSettings

    private static func modules(_ chain: (type: String, path: String)...) -> String {
        let members = chain.enumerated().map { index, module in
            #"{"idx":\#(index),"name":"\#(index)","path":"\#(module.path)","#
                + #""type":"sentence_transformers.models.\#(module.type)"}"#
        }
        return "[\(members.joined(separator: ","))]"
    }
    private static let miniature = [
        "modules.json": modules(("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")),
        "1_Pooling/config.json": #"{"word_embedding_dimension":384,"pooling_mode_mean_tokens":true}"#,
        "sentence_bert_config.json": #"{"max_seq_length":256,"do_lower_case":false}"#,
    ]
    private static func pooling(_ config: String) -> [String: String] {
        miniature.merging(["1_Pooling/config.json": config]) { $1 }
    }
    private static func dense(_ config: String) -> [String: String] {
        miniature.merging([
            "modules.json": modules(("Transformer", "0_Transformer"), ("Pooling", "1_Pooling"), ("Dense", "2_Dense")),
            "2_Dense/config.json": config,
        ]) { $1 }
    }
    private func read(_ files: [String: String]) throws(Failure) -> SentenceTransformersSettings {
        try SentenceTransformersSettings(source: memory(texts: files))
    }
    private func trouble(_ files: [String: String]) -> Failure? { failure { _ = try read(files) } }

    @Test func readsACommonCheckpoint() throws {
        let settings = try read(Self.miniature)
        #expect(settings.isDeclared)
        #expect(settings.transformerFolder == "")
        #expect(settings.maximumTokenCount == 256)
        #expect(!settings.lowercases)
        #expect(settings.pooling == [.mean])
        #expect(settings.pooledDimension == 384)
        #expect(settings.includesPrompt)
        #expect(settings.steps == [.normalize])
        #expect(settings.prompts == [])
        #expect(settings.similarity == .cosine)
    }

    @Test func takesDefaultsWithoutModules() throws {
        let plain = try read(["config.json": #"{"architectures":["BertModel"]}"#])
        #expect(!plain.isDeclared)
        #expect(plain.pooling == [.mean])
        #expect(plain.steps == [])
        #expect(try read([:]).pooling == [.mean])
        #expect(try read(["config.json": #"{"architectures":["Qwen2ForCausalLM"]}"#]).pooling == [.last])
        #expect(
            try read(["config.json": #"{"architectures":["Qwen2ForCausalLM"],"is_causal":false}"#]).pooling == [.mean])
        #expect(try read(["tokenizer_config.json": #"{"model_max_length":512}"#]).maximumTokenCount == 512)
        // What other model types say is not about vectors.
        let other = Self.miniature.merging(["config_sentence_transformers.json": #"{"model_type":"CrossEncoder"}"#]) {
            $1
        }
        #expect(try !read(other).isDeclared)
    }

    @Test(
        arguments: [
            ("{}", [PoolingMode.mean]),
            (#"{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":false}"#, [.first]),
            (#"{"pooling_mode_max_tokens":true}"#, [.maximum]),
            (#"{"pooling_mode_mean_sqrt_len_tokens":true}"#, [.meanSquareRoot]),
            (#"{"pooling_mode_weightedmean_tokens":true}"#, [.weightedMean]),
            (#"{"pooling_mode_lasttoken":true}"#, [.last]),
            (
                #"""
                {"pooling_mode_lasttoken":true,"pooling_mode_weightedmean_tokens":true,
                "pooling_mode_mean_sqrt_len_tokens":true,
                "pooling_mode_mean_tokens":true,"pooling_mode_max_tokens":true,"pooling_mode_cls_token":true}
                """#, [.first, .maximum, .mean, .meanSquareRoot, .weightedMean, .last]
            ),
            (#"{"pooling_mode":"cls"}"#, [.first]), (#"{"pooling_mode":["mean","cls"]}"#, [.mean, .first]),
            (#"{"pooling_mode":"max","pooling_mode_cls_token":true}"#, [.maximum]),
            (#"{"pooling_mode":"mean_sqrt_len_tokens"}"#, [.meanSquareRoot]),
            (#"{"pooling_mode_mean_tokens":false}"#, [.mean]),
        ] as [(String, [PoolingMode])])
    func readsPoolingModes(config: String, expected: [PoolingMode]) throws {
        let separator = config == "{}" ? "" : ","
        let complete = #"{"word_embedding_dimension":8"# + separator + config.dropFirst()
        #expect(try read(Self.pooling(complete)).pooling == expected)
    }

    @Test func readsNewerPooling() throws {
        let settings = try read(
            Self.pooling(#"{"embedding_dimension":16,"pooling_mode":"lasttoken","include_prompt":false}"#))
        #expect(settings.pooledDimension == 16)
        #expect(!settings.includesPrompt)
    }

    @Test(arguments: [
        ("torch.nn.modules.activation.Tanh", VectorStep.Activation.tanh),
        ("torch.nn.modules.linear.Identity", .identity),
        ("torch.nn.modules.activation.ReLU", .relu), ("torch.nn.modules.activation.GELU", .gelu),
        ("torch.nn.modules.activation.Sigmoid", .sigmoid), ("torch.nn.modules.activation.SiLU", .silu),
        ("torch.nn.Identity", .identity),
    ])
    func readsDense(path: String, expected: VectorStep.Activation) throws {
        let config = #"{"in_features":384,"out_features":64,"bias":false,"activation_function":"\#(path)"}"#
        let settings = try read(Self.dense(config))
        #expect(settings.transformerFolder == "0_Transformer")
        let dense = VectorStep.Dense(
            folder: "2_Dense", inputs: 384, outputs: 64, hasBias: false, activation: expected, isResidual: false)
        #expect(settings.steps == [.dense(dense)])
    }

    @Test func takesDenseDefaults() throws {
        let settings = try read(Self.dense(#"{"in_features":384,"out_features":64,"use_residual":true}"#))
        let dense = VectorStep.Dense(
            folder: "2_Dense", inputs: 384, outputs: 64, hasBias: true, activation: .tanh, isResidual: true)
        #expect(settings.steps == [.dense(dense)])
    }

    @Test func readsLongChains() throws {
        let chain = Self.modules(
            ("Transformer", "0_Transformer/"), ("Pooling", "1_Pooling"), ("Dropout", "2_Dropout"), ("Dense", "3_Dense"),
            ("LayerNorm", "4_LayerNorm"), ("Dense", "5_Dense"), ("Normalize", "6_Normalize"))
        let settings = try read([
            "modules.json": chain,
            "1_Pooling/config.json": #"{"word_embedding_dimension":8,"pooling_mode":["cls","max"]}"#,
            "3_Dense/config.json": #"{"in_features":16,"out_features":4}"#,
            "4_LayerNorm/config.json": #"{"dimension":4}"#,
            "5_Dense/config.json": #"{"in_features":4,"out_features":2,"module_input_name":"sentence_embedding"}"#,
            "6_Normalize/config.json": #"{"module_input_name":"sentence_embedding"}"#,
            "0_Transformer/sentence_roberta_config.json": #"{"max_seq_length":null,"do_lower_case":true}"#,
            "0_Transformer/tokenizer_config.json": #"{"model_max_length":1000000000000000019884624838656}"#,
        ])
        #expect(settings.steps.count == 4)
        #expect(settings.steps[1] == .layerNorm(folder: "4_LayerNorm", dimension: 4))
        #expect(settings.lowercases)
        #expect(settings.maximumTokenCount == nil)
    }

    @Test func readsPromptsAndSimilarity() throws {
        let general = #"""
            {"prompts":{"query":"query: ","passage":"passage: ","none":null},"default_prompt_name":"passage",
            "similarity_fn_name":"dot","truncate_dim":128}
            """#
        let settings = try read(Self.miniature.merging(["config_sentence_transformers.json": general]) { $1 })
        #expect(settings.prompts.map(\.name) == ["query", "passage", "none"])
        #expect(settings.prompt("query") == "query: ")
        #expect(settings.prompt("none") == "")
        #expect(settings.prompt("document") == "")
        #expect(settings.prompt("absent") == nil)
        #expect(settings.defaultPromptName == "passage")
        #expect(settings.similarity == .dot)
        #expect(settings.truncatedDimension == 128)
    }

    @Test func refusesUnknownModulesByName() {
        let chains: [(String, String)] = [
            (Self.modules(("Transformer", ""), ("LSTM", "1_LSTM")), "sentence_transformers.models.LSTM"),
            (Self.modules(("CLIPModel", "")), "sentence_transformers.models.CLIPModel"),
            (Self.modules(("Pooling", "1_Pooling")), "sentence_transformers.models.Pooling"),
            (Self.modules(("Transformer", ""), ("Transformer", "")), "sentence_transformers.models.Transformer"),
            (Self.modules(("Transformer", ""), ("Dense", "2_Dense")), "sentence_transformers.models.Dense"),
            (#"[{"path":"","type":"custom_code.Pooling"}]"#, "custom_code.Pooling"),
            (#"[{"path":"","type":"Transformer"}]"#, "Transformer"), (#"[{"path":"","type":""}]"#, "\"\""),
        ]
        for (chain, name) in chains {
            let trouble = trouble(Self.miniature.merging(["modules.json": chain]) { $1 })
            #expect(trouble?.kind == .unsupported)
            #expect(trouble?.message.contains(name) == true, "\(trouble?.message ?? "")")
        }
    }

    @Test(
        arguments: [
            (pooling("[]"), Failure.Kind.corrupt, "1_Pooling/config.json"),
            (pooling("{}"), .corrupt, "word_embedding_dimension"),
            (pooling(#"{"word_embedding_dimension":-1}"#), .corrupt, "word_embedding_dimension is -1"),
            (pooling(#"{"word_embedding_dimension":8,"pooling_mode":"sum"}"#), .unsupported, "sum"),
            (pooling(#"{"word_embedding_dimension":8,"pooling_mode":3}"#), .corrupt, "pooling_mode"),
            (
                pooling(#"{"word_embedding_dimension":8,"pooling_mode_cls_token":1}"#), .corrupt,
                "pooling_mode_cls_token"
            ),
            (dense(#"{"in_features":768,"out_features":64}"#), .corrupt, "in_features is 768"),
            (dense(#"{"in_features":384}"#), .corrupt, "out_features is missing"),
            (
                dense(#"{"in_features":384,"out_features":64,"activation_function":"os.system"}"#), .unsupported,
                "os.system"
            ),
            (
                dense(#"{"in_features":384,"out_features":64,"activation_function":"torch.nn.ELU"}"#), .unsupported,
                "ELU"
            ),
            (
                dense(#"{"in_features":384,"out_features":64,"module_input_name":"token_embeddings"}"#), .unsupported,
                "token"
            ),
            (["modules.json": "{}"], .corrupt, "modules.json"), (["modules.json": "[]"], .corrupt, "modules.json"),
            (["modules.json": "[1]"], .corrupt, "module 0"),
            (["modules.json": #"[{"path":"x"}]"#], .corrupt, "type is missing"),
            (["modules.json": modules(("Transformer", "../other"))], .corrupt, "inside"),
            (["modules.json": modules(("Transformer", "/etc"))], .corrupt, "inside"),
            (
                ["modules.json": modules(("Transformer", ""), ("Pooling", "1_Pooling"))], .notFound,
                "1_Pooling/config.json"
            ),
            (["config_sentence_transformers.json": "{"], .corrupt, "config_sentence_transformers.json"),
        ] as [([String: String], Failure.Kind, String)])
    func refusesContradictions(files: [String: String], kind: Failure.Kind, part: String) {
        let trouble = trouble(files)
        #expect(trouble?.kind == kind)
        #expect(trouble?.message.contains(part) == true, "\(trouble?.message ?? "")")
    }

    @Test(arguments: [
        #"{"prompts":{"a":1}}"#, #"{"prompts":[]}"#, #"{"default_prompt_name":"absent"}"#, #"{"truncate_dim":0}"#,
        #"{"similarity_fn_name":1}"#, #"{"model_type":1}"#,
    ])
    func refusesWrongGeneralSettings(text: String) {
        let trouble = trouble(Self.miniature.merging(["config_sentence_transformers.json": text]) { $1 })
        #expect(trouble?.kind == .corrupt)
        #expect(trouble?.message.contains("config_sentence_transformers.json") == true)
    }
}
