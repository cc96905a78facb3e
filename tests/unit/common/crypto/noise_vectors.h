/* SPDX-License-Identifier: Apache-2.0
 * Published handshake vectors of the cacophony project (public domain), for test_noise.c. Hex. */
#ifndef SWARM_TESTS_UNIT_COMMON_CRYPTO_NOISE_VECTORS_H
#define SWARM_TESTS_UNIT_COMMON_CRYPTO_NOISE_VECTORS_H

#define VECTOR_MESSAGES 6

struct noise_vector {
    const char *protocol;
    const char *prologue;
    const char *init_static; /* NULL: none */
    const char *init_ephemeral;
    const char *init_remote_static; /* what the initiator knows beforehand */
    const char *resp_static;
    const char *resp_ephemeral;
    const char *resp_remote_static;
    const char *psk;
    const char *hash;
    struct {
        const char *payload;
        const char *ciphertext;
    } messages[VECTOR_MESSAGES];
};

/* clang-format off */
static const struct noise_vector noise_vectors[] = {
    {
        .protocol = "Noise_NK_25519_ChaChaPoly_BLAKE2b",
        .prologue = "4a6f686e2047616c74",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "f87aa4eb6416e5b0d2b6e6f0b7bc41f3c5986a5d32d55c08d67cbd412f3ec2fa04d8e358ab95"
            "b3bbfab054a140a98eccf4284bb6309b600981d451ecac484932",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944f3041e39b0c8"
            "ba56008f2d1183fea6ac83564ead0267b0842ec4c521ed1e1407" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088432281dcc18351"
            "31f305dca14525e15e27d1f32294aa835e40fc18be480c1db9" },
            { "462e20412e20486179656b",
              "357e24e9f28ba22080666f7efacc01b2a0a4e358e742aeeff2aaf5" },
            { "4361726c204d656e676572",
              "8b23b34ff3169de06a39551e969ca7876cc5122a4acff74bf2ec29" },
            { "4a65616e2d426170746973746520536179",
              "5c104779b6f36e59fca73ed94b0ae092eae1d76dd109caf5060aaaedba385d7076" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "34ae0518d0cd3aa641ed372ea94935ceecd87f8c4b422ce21a33d3f6f5493891e3e915d83f" },
        },
    },
    {
        .protocol = "Noise_NK_25519_ChaChaPoly_SHA256",
        .prologue = "4a6f686e2047616c74",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "2efa38a9c7c93ac98f3a097af25c2f58b9e7673787717bc27e98827118c2c1a5",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79448134d00711fd"
            "b390a0d178fa008f6d47d2891e5ea18ae136c3b4c23ac384efb0" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088438ea16e3701bc"
            "0d77744f117bee22451c9afa7f4cdbbcff00c04a8ee0913c88" },
            { "462e20412e20486179656b",
              "a62de29ce27cb80245d440d986ed816c156e9d757d7008df2198b0" },
            { "4361726c204d656e676572",
              "174a35f11c689f4530d7208618e0564ae12f2f50ba8eb4df5382ff" },
            { "4a65616e2d426170746973746520536179",
              "337e475ebb8eae60f91974c4e455a5af38d1d8628d1803b160d60442874b0a1777" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "047e80e060b7bb08b53c5a23dfe9920cae135b9d1dc6302fc475003062723700366346ac9d" },
        },
    },
    {
        .protocol = "Noise_IK_25519_ChaChaPoly_BLAKE2b",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "1c8fa891cb414fedba6daa7c6f4ae0a6d98e5f9768cc9cecd27e805614943ee9c8a1b27fbfb7"
            "6dc197255c8aa69f6b4285c423840b8bedf45e652ca64f797d81",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944ba83a447b38c"
            "83e327ad936929812f624884847b7831e95e197b2f797088efdd2f88f1db7e1fb0e99c644190"
            "97af91cee64e470f4b6fcd9298ce0b56fe20f86e13bf70439c538e3602a7127af71a29cc" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439f069b267a06"
            "b3de3ecb1043bcb098e9af91d9c64748d998c7b47890871571" },
            { "462e20412e20486179656b",
              "cd54383060e7a28434cca27fb1cc524cfbabeb18181589df219d07" },
            { "4361726c204d656e676572",
              "a856d3bf0246bfc476c655009cd1ed677b8dcc5b349ae8ef2a05f2" },
            { "4a65616e2d426170746973746520536179",
              "49063084b2c51f098337cb8a13739ac848f907e67cfb2cc8a8b60586467aa02fc7" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "8b9709d23b47e4639df7678d7a21741eba4ef1e9c60383001c7435549c20f9d56f30e935d3" },
        },
    },
    {
        .protocol = "Noise_IK_25519_ChaChaPoly_SHA256",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "0b0f68fb0c27e03ce9b97565995ed4838cc0581b762ef72b062f6a546419fad7",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944718da798efbc"
            "d91528520204f904b9bd6c7413dccdc214d951e15253e39987f18146e8cd0873654207148333"
            "479d4d16c289f0294b29960a72f48e0b7bba2e89083169825e59642148d492020664ccf7" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088435361e70b2ed4"
            "46e6c9ec387d1d6b3b840f194e373979d241b203c4acafccf5" },
            { "462e20412e20486179656b",
              "050e9f3c8fac16b68dbce8f8c4bfbf6617c897f9ada4aa29aa19c8" },
            { "4361726c204d656e676572",
              "344233a6cabb7141d80f3da2fedc311d9646bbb0f505afe403a667" },
            { "4a65616e2d426170746973746520536179",
              "62cdeeb172ad7ade7aa7d9e069da5790f12331bfa00177787a1d0810c67dc3b2b4" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "029bead1b40992327044d409d9a1f3ad8f36c3c452775d557e18bbeb2e8dfcead32d514024" },
        },
    },
    {
        .protocol = "Noise_XX_25519_ChaChaPoly_BLAKE2b",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "8cf47d7b3cb5804c0109d48e8bcdbee2cbb65687d8ea2c92994ca361fb86151ad93627b98936"
            "cbb32de56e8abb21def3925011ac3e35db9cbeea73ab9a4392c2",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c7564776967"
            "20766f6e204d69736573" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088430505b6745ce6"
            "4a5f33f0e8e3b83f11ce8802bca507f4f2d8b564dbe277e1966116e132faa2dfd70b8b077b9f"
            "94b913df5056ae1319469b824a98d54bbaa82c325595587064f978c4b6d104f7596e6f" },
            { "462e20412e20486179656b",
              "99579e1c1ee15e422a57ddd6b16d37087b17558e8369c18991b4b2ca3a824abf904cdcf5458b"
            "5431a75af034ca9e9b982de039eaaf156775e2d580cd4e5ebae89c3f8cb2594b556d8a8169" },
            { "4361726c204d656e676572",
              "fc56eea290b3f3a21aac0c70cd5787b5ee99be37d2f4d751329b55" },
            { "4a65616e2d426170746973746520536179",
              "bb31c9da10d5639a4cdb88a12f5c61de41bbc7df09bf75d94f8184fe4157f5c68f" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "f6199cadb152fb27f82be0a0891ec76a33598ae92a46cab2fb5a8ed5bf48b7f267f8370af7" },
        },
    },
    {
        .protocol = "Noise_XX_25519_ChaChaPoly_SHA256",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "c8e5f64e846193be2a834104c2a009868d6c9f3bd3c186299888b488b2f1f58e",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79444c7564776967"
            "20766f6e204d69736573" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381cbad1f276e"
            "038c48378ffce2b65285e08d6b68aaa3629a5a8639392490e5b9bd5269c2f1e4f488ed883116"
            "1f19b7815528f8982ffe09be9b5c412f8a0db50f8814c7194e83f23dbd8d162c9326ad" },
            { "462e20412e20486179656b",
              "c7195ffacac1307ff99046f219750fc47693e23c3cb08b89c2af808b444850a80ae475b9df0f"
            "169ae80a89be0865b57f58c9fea0d4ec82a286427402f113e4b6ae769a1d95941d49b25030" },
            { "4361726c204d656e676572",
              "96763ed773f8e47bb3712f0e29b3060ffc956ffc146cee53d5e1df" },
            { "4a65616e2d426170746973746520536179",
              "3e40f15f6f3a46ae446b253bf8b1d9ffb6ed9b174d272328ff91a7e2e5c79c07f5" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "eb3f3515110702e047a6c9da4478b6ead94873c11c0f2d710ddb3f09fce024b3a58502ae3f" },
        },
    },
    {
        .protocol = "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "46b5997dfa51492ae9be5b611748455e83aebdbc2ea3c47d264ec6dd408cc076e962ff056890"
            "c60398fe3e7a430bbe057f34383a84df9ff99391266dcfd638b0",
        .psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79440aa831d1e3bb"
            "d16bd7ffda87e9f7b6eeca2510006499a573ac27af3392ed1b69" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381a78489d56c"
            "9e2ac962826f25684980b25244dbfd505b7d903a94d4f4fd84004a1c7fbe94d686bc4c1f6725"
            "9364f6f2a41cb40bf5198b9b3975be2cdd49d3e065a554e12c477d82029fabc6555bc1" },
            { "462e20412e20486179656b",
              "291dfeff6eff386e29adb0bdbd5a1ae9e09de4449c8695d109adcb63e80e489555792a3e9150"
            "eff75d6d45571f824ed231173cb66e31e7da914241f86d0cbb678335ffe768a7445d2f5bc1" },
            { "4361726c204d656e676572",
              "6579dd60eb5e6a8b29dd60004289f5d3c2f69fcdbf683a869f59a8" },
            { "4a65616e2d426170746973746520536179",
              "24715fd39c3c7606e81b26e69e47b54d043d9d87c512f9417bae51ab48ebb17722" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "e49194a013d873712318643acbf0e3851086326bb168c500a766439ff543a7a1e2deb3215c" },
        },
    },
    {
        .protocol = "Noise_XXpsk3_25519_ChaChaPoly_SHA256",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "a477edf6a131bbdb54707f6ea30eab6cd935d9b560f0e5fd1f053a95a99669fb",
        .psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944c9f5ff0e8079"
            "630cb7e270c20bbf480821b77a384a645c71a2fd9b3db1c16a5f" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843b123def17f71"
            "e6ae8e57e0e1dec5949c5f7415c6f33517398747d821a06dc23ad430aa1fd7381d46195c378a"
            "819fd574425462cbb2d4ca339e738a0b7001dc91423fbf55a99af0c6f1df21012ceb2f" },
            { "462e20412e20486179656b",
              "52187316111b118d4c060364f7b975dc0809b2590779aff2d63113c564f11744493384db7bf3"
            "2d5ae6686df6ab06d508d2e07caaf1d6afc010b978735fc78900e71ae1d314130d042e729a" },
            { "4361726c204d656e676572",
              "eaedc672d4c21e0e2955758756fb98f194c4e90d5deb5b6cf30b27" },
            { "4a65616e2d426170746973746520536179",
              "522d543c5fe799d09a3d9da7ff54d0dc03c8af1dc7751d2ff708339d2290943e98" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "7d4e2c3873eef6a213b04e72f9df60a91666072d3544c5d96c34a09e2329b5030bee796741" },
        },
    },
    {
        .protocol = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2b",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "ed837c9084f2f0333a7ec60b9bcacd9921394858de8ced118b5966d1147ba390084dab42326c"
            "565a309c29317a6079be30aa1d790d25a517b43287426cb1d36a",
        .psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944b6fe0240b839"
            "afac809de1630eaf99d8f9b941394f0512c0554633bbb021d15176135c0a20e7fdb9a9ed066f"
            "22f054b47625b1d5061cb27d6a17f053273db7c25216a5addc506ee321bc0618feb5849d" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088438f627e69fc12"
            "0006f746b9d420bf4056cf8481ab32d9e904ffaeeaa56a5290" },
            { "462e20412e20486179656b",
              "07fc0034398a5f1010322be193d62f94bebf2948a20b3e15d681fe" },
            { "4361726c204d656e676572",
              "2ea5400f5b8a16971c8b67bde75aeb7987d454b1c0beeb2566932d" },
            { "4a65616e2d426170746973746520536179",
              "96eef918ef51639fc0e156da1823c4f71b33fac5af983f5da9384f7da20d86ed91" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "f02766a56496e1fbf32e05274baebf6d693c8f3e4c6e0dc7ebdc5ac170f15dae433b92f469" },
        },
    },
    {
        .protocol = "Noise_IKpsk2_25519_ChaChaPoly_SHA256",
        .prologue = "4a6f686e2047616c74",
        .init_static = "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
        .init_ephemeral = "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
        .init_remote_static = "31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62",
        .resp_static = "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
        .resp_ephemeral = "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
        .hash = "8310f86394dc0dabb40beb8210031556db4403ab1202db7034c526232147a700",
        .psk = "54686973206973206d7920417573747269616e20706572737065637469766521",
        .messages = {
            { "4c756477696720766f6e204d69736573",
              "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79442ec9b09893d0"
            "f510791784c10cbc959f25b1766e0def6e301d14fbca1c7790ac829b8b3674f5f649a5f0e984"
            "79662cbfbf2b2c47cd4b09fcd266cd29d7cb675f1808849707847840f6d178ec4d3733aa" },
            { "4d757272617920526f746862617264",
              "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f1448088439a1b3cebf680"
            "b2c74217fcb5eba4ff58a9468cd90c4aca6194f57479b379a7" },
            { "462e20412e20486179656b",
              "a8fde7a0accec190cd306c5950d4fd8e04a205ec288aa747d8b347" },
            { "4361726c204d656e676572",
              "59caddd9984a3bbe24c4fb31a2bd455b7eba3fa0980674b1a3a5f9" },
            { "4a65616e2d426170746973746520536179",
              "3b9bfebd210c22ba0cff9de79b4007d7a552fffbf92616881faa8a883e25b80258" },
            { "457567656e2042f6686d20766f6e2042617765726b",
              "f37512df1043d564d7c46ac85c53d3b6a9a05724bc297e7142808f217561651217fe85b782" },
        },
    },
};
/* clang-format on */

#endif
