package recent

import "testing"

func TestCacheIsBoundedAndKeepsWhatIsUsed(t *testing.T) {
	c := New[int, int](10)
	for i := range 1000 {
		c.Put(i, i)
		if v, ok := c.Get(0); !ok || v != 0 {
			t.Fatalf("after %d values the one in use is gone", i)
		}
		if v, ok := c.Get(i); !ok || v != i {
			t.Fatalf("the newest value %d is gone", i)
		}
		if c.Len() > 10 {
			t.Fatalf("%d values kept", c.Len())
		}
	}
	if _, ok := c.Get(1); ok {
		t.Error("a value not in use was kept")
	}
	c.Delete(0)
	if _, ok := c.Get(0); ok {
		t.Error("a deleted value was kept")
	}
}

func TestPutReplaces(t *testing.T) {
	c := New[string, int](4)
	c.Put("a", 1)
	c.Put("a", 2)
	if v, _ := c.Get("a"); v != 2 || c.Len() != 1 {
		t.Errorf("value %d, length %d", v, c.Len())
	}
}
