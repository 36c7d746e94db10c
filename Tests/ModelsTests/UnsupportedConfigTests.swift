import NestlingBasics
import NestlingModels
import Testing

/// Configs that are well formed and ask for what decoders' families do not do are unsupported, not corrupt.
@Suite struct UnsupportedConfigTests {
    @Test(arguments: [
        (#"{"model_type": "gpt2", "add_cross_attention": true}"#, "add_cross_attention"),
        (#"{"model_type": "gemma", "use_bidirectional_attention": true}"#, "use_bidirectional_attention"),
        (#"{"model_type": "gemma3_text", "attn_logit_softcapping": 50}"#, "attn_logit_softcapping"),
        (#"{"model_type": "gemma3_text", "num_hidden_layers": 1, "layer_types": ["chunked"]}"#, "\"chunked\""),
        (#"{"model_type": "llama", "rope_parameters": {"full_attention": {}}}"#, "full_attention"),
        (#"{"model_type": "llama", "partial_rotary_factor": 0.5}"#, "partial_rotary_factor"),
        (#"{"model_type": "llama", "rope_scaling": {"rope_type": "mrope"}}"#, "\"mrope\""),
    ])
    func isUnsupported(_ text: String, _ culprit: String) throws {
        let config = try JSONFields(JSON.parse(text, name: "config.json"), name: "config.json")
        let failure = #expect(throws: Failure.self) { try Families.architecture(config, TensorNames([])) }
        #expect(failure?.kind == .unsupported)
        #expect(failure?.message.contains(culprit) == true && failure?.message.contains("not supported") == true)
    }
}
