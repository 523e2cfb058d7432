use super::*;
use crate::name::Digest;
use crate::tenant::SignaturePolicy;

fn claim() -> Claim {
    Claim {
        tenant: "acme".parse().unwrap(),
        task: "word-stats".parse().unwrap(),
        version: "1".parse().unwrap(),
        digest: Digest::of(b"component"),
    }
}

fn pair() -> (String, minisign::SecretKey) {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    (pair.pk.to_base64(), pair.sk)
}

fn signed(claim: &Claim, key: &minisign::SecretKey) -> Signature {
    let signature = minisign::sign(None, key, claim.message().as_bytes(), Some("by hand"), None).unwrap();
    Signature::read(&signature.into_string()).unwrap()
}

fn policy(required: bool, keys: &[(&str, &str)]) -> SignaturePolicy {
    let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), (*key).to_owned())).collect();
    SignaturePolicy { required, keys, ..SignaturePolicy::default() }
}

#[test]
fn a_signature_of_a_trusted_key_holds() {
    let (public, secret) = pair();
    let (other, _) = pair();
    let policy = policy(true, &[("ci", &other), ("release", &public)]);
    let found = verify(&policy, &claim(), &[signed(&claim(), &secret)]).unwrap().unwrap();
    assert_eq!((found.signer.as_str(), found.trusted_comment.as_str()), ("release", "by hand"));
    assert_eq!(found.key_id, public.parse::<PublicKey>().unwrap().id().to_string());
}

#[test]
fn a_signature_holds_for_what_it_is_of_and_for_nothing_else() {
    let (public, secret) = pair();
    let policy = policy(true, &[("release", &public)]);
    let signature = signed(&claim(), &secret);
    let swapped = [
        Claim { tenant: "umbra".parse().unwrap(), ..claim() },
        Claim { task: "word-count".parse().unwrap(), ..claim() },
        Claim { version: "2".parse().unwrap(), ..claim() },
        Claim { digest: Digest::of(b"another"), ..claim() },
    ];
    for other in swapped {
        let fault = verify(&policy, &other, std::slice::from_ref(&signature)).unwrap_err();
        assert_eq!(fault, SignatureFault::Other { claim: other.clone(), signer: "release".to_owned() });
        assert_eq!(fault.code(), "bad-signature");
    }
    assert!(verify(&policy, &claim(), &[signature]).unwrap().is_some());
}

#[test]
fn a_signature_over_the_bytes_of_another_purpose_is_none() {
    let (public, secret) = pair();
    let policy = policy(true, &[("release", &public)]);
    for message in [claim().message().replace("v1", "v2"), claim().digest.to_string(), claim().message() + "\n"] {
        let signature = minisign::sign(None, &secret, message.as_bytes(), None, None).unwrap().into_string();
        let fault = verify(&policy, &claim(), &[Signature::read(&signature).unwrap()]).unwrap_err();
        assert!(matches!(fault, SignatureFault::Other { .. }), "{fault}");
    }
}

#[test]
fn what_is_not_known_to_be_right_is_refused() {
    let (public, secret) = pair();
    let (other, _) = pair();
    let signature = signed(&claim(), &secret);
    let fault = |policy: &SignaturePolicy, signatures: &[Signature]| verify(policy, &claim(), signatures).unwrap_err();
    let one = std::slice::from_ref(&signature);

    let trusts = policy(true, &[("release", &public)]);
    assert!(matches!(fault(&trusts, &[]), SignatureFault::Missing { .. }));
    assert!(matches!(fault(&policy(true, &[]), one), SignatureFault::UnknownKey { .. }));
    let told = fault(&policy(true, &[("ci", &other)]), one);
    assert!(matches!(told, SignatureFault::UnknownKey { .. }));
    assert!(told.to_string().contains("trusts ci ("), "{told}");
    let told = fault(&policy(true, &[("release", "RWnonsense")]), one);
    assert!(matches!(told, SignatureFault::Policy { .. }), "{told}");

    // another key that gives itself the number of a trusted one
    let forged = {
        use base64::Engine as _;
        let engine = base64::engine::general_purpose::STANDARD;
        let mut bytes = engine.decode(&other).unwrap();
        bytes[2..10].copy_from_slice(&engine.decode(&public).unwrap()[2..10]);
        engine.encode(bytes)
    };
    assert!(matches!(fault(&policy(true, &[("release", &forged)]), one), SignatureFault::Other { .. }));

    let mut torn = signature.clone();
    torn.minisig.truncate(90);
    assert!(matches!(fault(&trusts, &[torn]), SignatureFault::Unreadable { .. }));
    let mut renamed = signature.clone();
    renamed.minisig = renamed.minisig.replace("by hand", "by heart");
    assert!(matches!(fault(&trusts, &[renamed]), SignatureFault::Other { .. }), "the comment is signed too");
    // what a record says of a signature beside it counts for nothing
    let told = Signature { key_id: "0".to_owned(), signer: Some("root".to_owned()), ..signature.clone() };
    assert_eq!(verify(&trusts, &claim(), &[told]).unwrap().unwrap().signer, "release");
    assert!(verify(&trusts, &claim(), &[Signature { minisig: String::new(), ..signature.clone() }, signature]).is_ok());
}

#[test]
fn nothing_is_needed_where_nothing_is_required() {
    let (public, secret) = pair();
    let relaxed = policy(false, &[("release", &public)]);
    assert_eq!(verify(&relaxed, &claim(), &[]), Ok(None));
    assert!(verify(&relaxed, &claim(), &[signed(&claim(), &secret)]).unwrap().is_some());
    let other = Claim { version: "2".parse().unwrap(), ..claim() };
    assert_eq!(verify(&relaxed, &claim(), &[signed(&other, &secret)]), Ok(None));
}
