"""tap.py - runs unittest cases and reports them as TAP, which meson counts case by case."""
import sys
import traceback
import unittest


class TapResult(unittest.TestResult):
    """Prints a line per case when it ends; the plan comes last, when the number is known."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.count = 0
        self.failed_count = 0
        self.state = None

    def write(self, ok, name, explanation="", details=""):
        self.count += 1
        self.failed_count += not ok
        line = "%sok %d - %s%s" % ("" if ok else "not ", self.count, name, explanation)
        lines = [line] + ["# " + detail for detail in details.splitlines()]
        self.stream.write("\n".join(lines) + "\n")
        self.stream.flush()

    def note(self, test, error):
        """Keeps an error; a case may have several (of sub-tests)."""
        details = self._exc_info_to_string(error, test)  # without unittest's own frames
        self.state = (False, "", ((self.state or (0, 0, ""))[2] + details))

    def startTest(self, test):
        super().startTest(test)
        self.state = None

    def stopTest(self, test):
        super().stopTest(test)
        name = getattr(test, "_testMethodName", str(test)).replace("test_", "", 1).replace("#", "")
        ok, explanation, details = self.state or (True, "", "")
        self.write(ok, name, explanation, details)

    def addFailure(self, test, err):
        self.addError(test, err)

    def addError(self, test, err):
        if isinstance(test, unittest.TestCase):
            self.note(test, err)
        else:  # a setUpClass that failed: no case was started
            self.write(False, str(test), "", "".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        if err is not None:
            # As a failure of its text: some errors cannot be made from a text alone.
            text = "in %s: %s: %s" % (subtest._subDescription(), err[0].__name__, err[1])
            self.note(test, (AssertionError, AssertionError(text), err[2]))

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self.state = (True, " # SKIP " + " ".join(reason.split()), "")
        else:
            self.write(True, str(test), " # SKIP " + " ".join(reason.split()))

    def addUnexpectedSuccess(self, test):
        self.state = (False, "", "was expected to fail")


def main(module="__main__"):
    """Runs the cases of a module; with arguments, those whose names contain one of them."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[module])
    wanted = sys.argv[1:]
    cases = [case for group in suite for case in group
             if not wanted or any(word in case.id() for word in wanted)]
    result = TapResult(sys.stdout)
    unittest.TestSuite(cases).run(result)
    print("1..%d" % result.count)
    sys.exit(1 if result.failed_count else 0)
