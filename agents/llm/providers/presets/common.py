"""What several presets share."""

# Bookkeeping of OpenAI's own platform, which changes nothing of an answer; strict servers refuse fields that they do
# not know.
OPENAI_ONLY = frozenset({"store", "metadata", "service_tier", "prompt_cache_key", "safety_identifier"})

NO_LOGIT_BIAS = {"logit_bias": "leave it out, or give stop words in place of it"}
