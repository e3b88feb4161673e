package bearer

import "testing"

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"access_token":"x","token_type":"Bearer","expires_in":60}`, `{"expires_in":"1e9"}`, `{"error":1}`, "[]"} {
		f.Add(200, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		token, lasts, err := readAnswer(status, text)
		if (err == nil) != (token != "" && lasts > 0) || err == nil && status != 200 {
			t.Errorf("status %d, %q gives %q, %v, %v", status, text, token, lasts, err)
		}
	})
}
